"""What the metrics of a port say: of given outputs, and of the port's own.

The trace of Keras and the outputs of the port go in. `metric/PART/NAME` comes out, under Keras's
names: what a metric says after each batch. A port without metrics is measured by Keras's, which
tells its outputs apart and no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
import torch

from parity.data import metric_inputs
from parity.halves.torch.check.compiled_metrics import Compiled, columns_of, compiled_metrics
from parity.halves.torch.check.metric_trials import Trials
from parity.halves.torch.check.port_loss import activated
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned, from_returned
from parity.traces.trace import TraceWriter, keyed
from torch_impl.losses import sample_weights
from torch_impl.masks import mask_of, with_mask
from torch_impl.metrics import metric
from torch_impl.trainer.measures import Measure, Outputs, named_metrics
from torch_impl.trainer.nests import mapped

Named = Mapping[str, Measure]  # by its name
Batch = tuple[Any, Any, Any]  # outputs, targets, weights of the samples; nests of several outputs
Arrays = dict[str, np.ndarray]  # by the name of the output; of the only one by ""
Tensors = dict[str, torch.Tensor]
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


def _known(port: PortUnderTest) -> tuple[list[Compiled], dict[str, str]]:
    """Returns Keras's metrics that there are here, and by name why the others are not."""
    found, unknown = [], {}
    for each in compiled_metrics(port.keras):
        try:
            metric(each.given, (1, 1), (1, 1))
            found.append(each)
        except (LookupError, TypeError, ValueError) as error:
            unknown[each.name] = str(error).partition(":")[0]
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
        outputs = _as_keras(port, form, writer.arrays[f"forward/{mode}/output"])
        for each in found:
            ending = f"/{each.output}" if each.output else ""
            y = port.tensor(keras[f"target/probe{ending}"])
            key = each.key(f"weight/{mode}")
            weight = port.tensor(keras[key]) if key in keras else None
            output = outputs[each.output]
            where = f"counted/{mode}/output{ending}"
            mask = torch.from_numpy(keras[where].copy()) if where in keras else None
            batches = [
                (
                    _rows_of(output, mask, slice(0, num)),
                    y[:num],
                    None if weight is None else weight[:num],
                )
                for num in (len(y), 1)
            ]
            made = metric(each.given, output.shape, y.shape, getattr(torch, port.dtype))
            values = _said({each.name: Measure(made, each.is_weighted)}, batches)[each.name]
            writer.put(f"metric/{mode}/{each.name}", np.stack(values).astype(np.float64))


def _as_keras(port: PortUnderTest, form: str, array: np.ndarray) -> dict[str, torch.Tensor]:
    """Returns outputs of the port as Keras's model returns them, by their names."""
    keras = port.keras
    if port.outputs.names:
        return {name: port.tensor(part) for name, part in columns_of(keras, array).items()}
    output = from_returned(port.tensor(array), keras["forward/eval/output"].shape)
    return {"": activated(output, form, keras.facts.get("output_activation"))}


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
            names_of_outputs = self._port.outputs.own_names
            made = named_metrics(
                built.metrics, built.weighted_metrics, output, y, dtype, names_of_outputs
            )
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
        made = named_metrics(
            built.metrics,
            built.weighted_metrics,
            output,
            y,
            torch.float64,
            self._port.outputs.own_names,
        )
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
        keras = self._keras
        if part == "given":
            outputs, y = self._given()
            rows = metric_inputs.rows(keras.facts["metric_probe"]["sizes"])
        elif f"forward/{part}/output" in self._writer.arrays:
            outputs, y = self._returned(part), self._targets("target/probe")
            num = len(next(iter(y.values())))
            rows = [slice(0, num), slice(0, 1)]
        else:
            return []
        weight = self._weights(part, y)
        return [(*self._rows(outputs, y, r), mapped(itemgetter(r), weight)) for r in rows]

    def _rows(self, outputs: Tensors, y: Arrays, rows: slice) -> tuple[Any, Any]:
        """Returns outputs and targets of some samples; of several outputs by their names."""
        port = self._port
        if not port.outputs.names:
            output = outputs[""]
            made = _rows_of(output, mask_of(output), rows, port.device)
            return port.built.taken(made), port.target_of(y[""][rows])
        parts = {
            name: _rows_of(output, mask_of(output), rows, port.device)
            for name, output in outputs.items()
        }
        parts = port.outputs.taken(port.built, port.nest, parts)
        return parts, port.target_of({name: array[rows] for name, array in y.items()})

    def _given(self) -> tuple[Tensors, Arrays]:
        """Returns the given outputs as the port would return them, and their targets."""
        port, keras = self._port, self._keras
        found = {}
        for name, own in port.outputs.raw(port.nest).items():
            keys = (keyed(f"metric_input/{kind}", name) for kind in ("linear", "output"))
            linear, output = (keras[key] for key in keys)
            with np.errstate(divide="ignore", invalid="ignore"):
                forms = {"linear": linear, "log": np.log(output)}
            form = port.outputs.forms.get(name, "same") if name else self._form
            axes = None if name else port.returned
            found[name] = port.tensor(as_returned(forms.get(form, output), own.shape, axes))
        return found, self._targets("metric_input/target")

    def _returned(self, mode: str) -> Tensors:
        """Returns what the port returns for the probe."""
        port = self._port
        if not port.outputs.names:
            told = self._writer.arrays[f"forward/{mode}/output"]
            made = port.tensor(as_returned(told, told.shape, port.returned))
            return {"": with_mask(made, mask_of(port.output))}
        with torch.no_grad(), port.kept():
            port.forward(mode, "probe", training=mode == "train")
        return port.outputs.raw(port.nest)

    def _targets(self, key: str) -> Arrays:
        names = self._port.outputs.names
        found: Arrays = {n: self._keras[f"{key}/{n}"] for n in names}
        return found or {"": self._keras[key]}

    def _weights(self, part: str, y: Arrays) -> Any:
        """Returns the weights that a training would give to the port's weighted metrics."""
        key, port = f"metric_input/weight/{part}", self._port
        if port.outputs.names:
            keys = {name: f"{key}/{name}" for name in port.outputs.names}
            return {
                name: port.tensor(self._keras[each]).to(port.device)
                for name, each in keys.items()
                if each in self._keras
            } or None
        if key not in self._keras:
            return None
        if self._keras.facts["metric_probe"]["weights"] == "sample":
            return port.tensor(self._keras[key]).to(port.device)
        by_class = port.built.class_weight
        if by_class is None:  # they are in its loss, and no metric sees them
            return None
        labels = port.tensor(y[""])
        return sample_weights(labels, by_class, getattr(torch, port.dtype)).to(port.device)


def _rows_of(
    output: torch.Tensor, mask: torch.Tensor | None, rows: slice, device: Any = None
) -> torch.Tensor:
    """Returns some samples of an output, with their mask."""
    return with_mask(output[rows].to(device), None if mask is None else mask[rows])


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
