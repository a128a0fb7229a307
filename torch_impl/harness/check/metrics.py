"""What the metrics of a port say: of given outputs, and of the port's own.

The trace of Keras and the outputs of the port go in. `metric/PART/NAME` comes out, under Keras's
names: what a metric says after each batch. A port without metrics is measured by Keras's, which
tells its outputs apart and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from parity.data import metric_inputs
from parity.traces.trace import TraceWriter
from torch_impl.harness.check.loss import activated
from torch_impl.harness.check.metric_trials import Trials
from torch_impl.harness.port.port_under_test import PortUnderTest
from torch_impl.harness.port.portable import as_returned, from_returned
from torch_impl.losses import sample_weights
from torch_impl.metrics import metric
from torch_impl.trainer.measures import Measure, Outputs, named_metrics

Named = Mapping[str, Measure]  # by its name
Batch = tuple[torch.Tensor, Any, torch.Tensor | None]  # outputs, targets, weights of the samples
# Of the samples of the probe and of their weights; in the order of the levels.
_PARTS = ("given", "eval", "train")


def write_metrics(port: PortUnderTest, form: str, writer: TraceWriter) -> None:
    """Writes what the metrics say, and the facts `metric_names` and `metric_trials`.

    Args:
        port: with Keras's weights.
        form: of its output, as `output_form` tells it.
        writer: has the outputs of the port; receives all that is written.
    """
    told = port.keras.facts.get("metric_probe") or {}
    if not told.get("names") or told.get("why"):
        return
    built = port.built
    if built.metrics or built.weighted_metrics:
        _OwnMetrics(port, form, writer).write()
    elif built.train_epoch is not None or built.evaluate is not None:
        _tell(writer, "the metrics", "the port's own loop computes them; `parity run` compares it")
    else:
        _write_of_keras(port, form, writer)


def _known(port: PortUnderTest) -> tuple[list[tuple[str, Any, bool]], dict[str, str]]:
    """Returns Keras's metrics that there are here, and why the others are not.

    Returns:
        (name in the history, what `compile` got, whether it gets weights) of each; the others by
        name.
    """
    given = port.keras.facts["metrics"]
    flat = [(each, kind == "weighted_metrics") for kind, part in given.items() for each in part]
    names = port.keras.facts["metric_probe"]["names"]
    found, unknown = [], {}
    for name, (each, is_weighted) in zip(names, flat, strict=False):
        try:
            metric(each, (1, 1), (1, 1))
            found.append((name, each, is_weighted))
        except (LookupError, TypeError, ValueError) as error:
            unknown[name] = str(error).partition(":")[0]
    return found, unknown


def _write_of_keras(port: PortUnderTest, form: str, writer: TraceWriter) -> None:
    """Measures the outputs of the port by Keras's metrics."""
    keras = port.keras
    found, unknown = _known(port)
    why = "the port has none: Keras's, applied to its outputs, compare these alone"
    _tell(writer, "the metrics of the port", why)
    for name, reason in unknown.items():
        _tell(writer, f"the metric {name}", f"it is not known here ({reason})")
    for mode in ("eval", "train"):
        if f"forward/{mode}/output" not in writer.arrays or not found:
            continue
        y = port.tensor(keras["target/probe"])
        output = port.tensor(writer.arrays[f"forward/{mode}/output"])
        output = from_returned(output, keras["forward/eval/output"].shape)
        key = f"metric_input/weight/{mode}"
        weight = port.tensor(keras[key]) if key in keras else None
        batches = [
            (
                activated(output[:rows], form, keras.facts.get("output_activation")),
                y[:rows],
                None if weight is None else weight[:rows],
            )
            for rows in (len(y), 1)
        ]
        dtype = getattr(torch, port.dtype)
        made = {
            name: Measure(metric(each, output.shape, y.shape, dtype), is_weighted)
            for name, each, is_weighted in found
        }
        for name, values in _said(made, batches).items():
            writer.put(f"metric/{mode}/{name}", np.stack(values).astype(np.float64))


class _OwnMetrics:
    """The metrics of a port that has some.

    Args:
        port: with Keras's weights.
        form: of its output.
        writer: has its outputs.
    """

    def __init__(self, port: PortUnderTest, form: str, writer: TraceWriter) -> None:
        self._port, self._form, self._writer = port, form, writer
        self._keras = port.keras

    def write(self) -> None:
        """Writes what they say of all parts, and what explains a difference."""
        names: dict[str, str] = {}
        for part in _PARTS:
            batches = self._batches(part)
            if not batches:
                continue
            output, y, _ = batches[0]
            built, dtype = self._port.built, getattr(torch, self._port.dtype)
            made = named_metrics(built.metrics, built.weighted_metrics, output, y, dtype)
            if not names:
                names = self._paired(list(made))
            found = _said({t: made[ours] for t, ours in names.items()}, batches)
            for name, values in found.items():
                self._writer.put(f"metric/{part}/{name}", np.stack(values).astype(np.float64))
        trials = Trials(self._port, self._writer)
        self._writer.facts["metric_trials"] = trials.explained(
            {name: each.is_weighted for name, each in self._own_kinds(names).items()}
        )

    def _own_kinds(self, names: Mapping[str, str]) -> Named:
        """Returns the port's metrics by Keras's names."""
        output, y, _ = self._batches("given")[0]
        built = self._port.built
        made = named_metrics(built.metrics, built.weighted_metrics, output, y, torch.float64)
        return {theirs: made[ours] for theirs, ours in names.items()}

    def _paired(self, own: Sequence[str]) -> dict[str, str]:
        """Returns Keras's name -> the port's: of the same name, else in their order."""
        theirs = list(self._keras.facts["metric_probe"]["names"])
        pairs = {name: name for name in theirs if name in own}
        left = [name for name in theirs if name not in pairs]
        others = [name for name in own if name not in pairs]
        if len(left) == len(others):
            pairs |= dict(zip(left, others, strict=True))
        else:
            for name in left:
                _tell(self._writer, f"the metric {name}", "the port has none of that name")
            for name in others:
                _tell(self._writer, f"the port's metric {name}", "Keras has none of that name")
        self._writer.facts["metric_names"] = pairs
        return pairs

    def _batches(self, part: str) -> list[Batch]:
        """Returns outputs in the form and layout of the port, with targets and weights."""
        port, keras = self._port, self._keras
        if part == "given":
            linear, output = keras["metric_input/linear"], keras["metric_input/output"]
            with np.errstate(divide="ignore", invalid="ignore"):
                forms = {"linear": linear, "log": np.log(output)}
            array = as_returned(forms.get(self._form, output), port.output.shape, port.returned)
            y, rows = (
                keras["metric_input/target"],
                metric_inputs.rows(keras.facts["metric_probe"]["sizes"]),
            )
        elif f"forward/{part}/output" in self._writer.arrays:
            told, y = self._writer.arrays[f"forward/{part}/output"], keras["target/probe"]
            array = as_returned(told, told.shape, port.returned)
            rows = [slice(0, len(y)), slice(0, 1)]
        else:
            return []
        weight = self._weights(part, y)
        return [
            (
                port.tensor(array[each]).to(port.device),
                port.target_of(y[each]),
                None if weight is None else weight[each],
            )
            for each in rows
        ]

    def _weights(self, part: str, y: np.ndarray) -> torch.Tensor | None:
        """Returns the weights that a training would give to the port's weighted metrics."""
        key, port = f"metric_input/weight/{part}", self._port
        if key not in self._keras:
            return None
        if self._keras.facts["metric_probe"]["weights"] == "sample":
            return port.tensor(self._keras[key]).to(port.device)
        by_class = port.built.class_weight
        if by_class is None:  # they are in its loss, and no metric sees them
            return None
        return sample_weights(port.tensor(y), by_class, getattr(torch, port.dtype)).to(port.device)


def _said(named: Named, batches: Sequence[Batch]) -> dict[str, list[np.ndarray]]:
    """Returns what each metric says after each batch, by name."""
    found: dict[str, list[np.ndarray]] = {name: [] for name in named}
    for each in named.values():
        each.metric.reset()
    with torch.no_grad():
        for batch in batches:
            outputs = Outputs(*batch, names=())
            for name, each in named.items():
                each.update(outputs)
                found[name].append(each.metric.result().detach().cpu().numpy())
    for each in named.values():
        each.metric.reset()
    return found


def _tell(writer: TraceWriter, what: str, why: str) -> None:
    writer.facts.setdefault("not_compared", []).append({"what": what, "why": why})
