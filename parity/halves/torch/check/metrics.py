"""What the metrics of a port say, and why one says another number than Keras's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Any

import numpy as np
import torch

from parity.data import probe_inputs
from parity.halves.torch.check.loss import activated
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.halves.torch.port.portable import as_returned, from_returned
from parity.traces.trace import KerasTrace, PortWriter, keyed
from torch_impl.losses import sample_weights
from torch_impl.masks import mask_of, with_mask
from torch_impl.metrics import METRICS, Metric, metric
from torch_impl.metrics.base import Average, snake_case
from torch_impl.trainer.batches import mapped
from torch_impl.trainer.measures import Measure, Outputs, named_metrics

# --- The metrics that a Keras model was compiled with, one by one, as a trace tells them ----------


@dataclass(frozen=True)
class Compiled:
    """A metric of Keras's.

    Attributes:
        name: that the history writes.
        given: what `compile` got: its name or its configuration.
        is_weighted: whether it gets the weights of the samples.
        output: the name of its output; "": there is one.
    """

    name: str
    given: Any
    is_weighted: bool
    output: str

    def key(self, what: str) -> str:
        """Returns the key of what its output was given: "metric_input/linear/main"."""
        return f"metric_input/{what}/{self.output}" if self.output else f"metric_input/{what}"


def compiled_metrics(keras: KerasTrace) -> list[Compiled]:
    """Returns the metrics in the order of Keras's history."""
    names = keras.facts["metric_probe"]["names"]
    flat = _flat(keras.facts["metrics"])
    return [Compiled(name, *each) for name, each in zip(names, flat, strict=False)]


def _flat(given: Mapping[str, Any]) -> Iterator[tuple[Any, bool, str]]:
    for kind, part in given.items():
        by_output = part if isinstance(part, Mapping) else {"": part}
        for output, metrics in by_output.items():
            for each in metrics:
                yield each, kind == "weighted_metrics", output


def columns_of(keras: KerasTrace, joined: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs that a trace has side by side, (N, values of all), by their names."""
    found, start = {}, 0
    for each in keras.facts["outputs"]:
        size = int(np.prod(each["shape"]))
        found[str(each["name"])] = joined[:, start : start + size].reshape(-1, *each["shape"])
        start += size
    return found


# --------------------------------------------------------------------------------------------------
#
# Why a metric of a port says another number than Keras's: definitions that give its numbers.
#
# Keras's metric, the given outputs and the port's numbers go in. For each metric that differs, the
# first change of Keras's definition that gives the port's numbers after every batch comes out, with
# Keras's definition as code.


# Relative: what a right formula and a port may differ by, of the same numbers.
_CLOSE = {"float64": 1e-9, "float32": 1e-4}
_THRESHOLDS = (0.5, 0.0, *(n / 10 for n in range(1, 10)), 0.25, 0.75)
# Setting -> values that are tried.
_SETTINGS: dict[str, Sequence[Any]] = {
    "threshold": _THRESHOLDS,
    "thresholds": _THRESHOLDS,
    "k": range(1, 11),
    "top_k": (None, *range(1, 11)),
    "from_logits": (False, True),
    "class_id": (None, *range(10)),
    "average": ("micro", "macro", "weighted"),
    "beta": (0.5, 1.0, 2.0),
    "curve": ("ROC", "PR"),
    "summation_method": ("interpolation", "minoring", "majoring"),
    "multi_label": (False, True),
    "num_thresholds": (200, 100, 500, 1000),
    "label_smoothing": (0.0, 0.1),
    "axis": (-1, 1),
    "ignore_class": (None, 0, -1),
    "class_aggregation": ("uniform_average", "variance_weighted_average"),
}
Trial = tuple[str, str, Callable[[], list[torch.Tensor]]]  # ID, what the port does, its numbers


@dataclass(frozen=True)
class _Given:
    """The given outputs, in Keras's layout."""

    output: torch.Tensor
    linear: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor | None
    rows: Sequence[slice]


class Trials:
    """Looks for definitions that give the numbers of a port.

    Args:
        port: with metrics of its own.
        writer: has what they say.
    """

    def __init__(self, port: PortUnderTest, writer: PortWriter) -> None:
        self._port, self._writer, self._keras = port, writer, port.keras
        self._close = _CLOSE[port.dtype]

    def explained(self, are_weighted: Mapping[str, bool]) -> dict[str, dict[str, str]]:
        """Returns {"id", "told", "definition"} of each metric that differs, by Keras's name.

        "id" and "told" are "" if no change of the definition gives the port's numbers.

        Args:
            are_weighted: whether the port's metric gets weights, by Keras's name.
        """
        found = {}
        by_name = {each.name: each for each in compiled_metrics(self._keras)}
        for name, is_weighted in are_weighted.items():
            key = f"metric/given/{name}"
            if key not in self._writer.arrays or key not in self._keras or name not in by_name:
                continue
            ours, theirs = self._writer.arrays[key], self._keras[key]
            if ours.shape == theirs.shape and self._is_near(ours, theirs):
                continue
            found[name] = self._explain(by_name[name], is_weighted, ours)
        return found

    def _explain(self, keras: Compiled, is_weighted: bool, ours: np.ndarray) -> dict[str, str]:
        config, theirs_weighted = keras.given, keras.is_weighted
        given = self._given(keras)
        try:
            base = metric(config, given.output.shape, given.y.shape, torch.float64)
        except (LookupError, TypeError, ValueError):  # it is not known here
            return {"id": "", "told": "", "definition": ""}
        argument = "weighted_metrics" if theirs_weighted else "metrics"
        listed = f"[{_code(base, config)}]"
        if keras.output:
            listed = f"{{{keras.output!r}: {listed}}}"
        definition = f"Port({argument}={listed})"
        trials = _Definition(base, config, given, theirs_weighted).trials()
        for name, sentence, numbers in (*self._of_others(keras), *trials):
            try:
                values = np.stack([value.numpy() for value in numbers()])
            except Exception:  # a setting may not fit outputs or targets
                continue
            if values.shape == ours.shape and self._is_near(values.astype(np.float64), ours):
                return {"id": name, "told": sentence, "definition": definition}
        return {"id": "", "told": "", "definition": definition}

    def _is_near(self, a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.allclose(a, b, rtol=self._close, atol=1e-12, equal_nan=True))

    def _of_others(self, keras: Compiled) -> Iterator[Trial]:
        """Yields Keras's metric of the other outputs."""
        for other in self._port.outputs.names if keras.output else ():
            if other != keras.output:
                moved = replace(keras, output=other)
                sentence = f"it measures the output {other}, where Keras measures {keras.output}"
                yield "I1", sentence, partial(self._said_of, moved)

    def _said_of(self, keras: Compiled) -> list[torch.Tensor]:
        given = self._given(keras)
        base = metric(keras.given, given.output.shape, given.y.shape, torch.float64)
        return _Definition(base, keras.given, given, keras.is_weighted).said()

    def _given(self, keras: Compiled) -> _Given:
        trace = self._keras

        def tensor(what: str) -> torch.Tensor:
            return torch.from_numpy(np.array(trace[keras.key(what)]))

        weight = tensor("weight/given") if keras.key("weight/given") in trace else None
        rows = probe_inputs.rows(trace.facts["metric_probe"]["sizes"])
        return _Given(tensor("output"), tensor("linear"), tensor("target"), weight, rows)


class _Definition:
    """Keras's definition of a metric, and changes of it."""

    def __init__(self, base: Metric, config: Any, given: _Given, is_weighted: bool) -> None:
        self._kind, self._given = type(base), given
        self._settings = _settings_of(config)
        self._is_weighted = is_weighted and given.weight is not None

    def trials(self) -> Iterator[Trial]:
        """Yields changes, the most likely first."""
        yield from self._over_batches()
        yield from self._weights()
        yield from self._scaled()
        yield from self._before_activation()
        yield from self._settings_changed()
        yield from self._other_outputs()
        yield from self._other_metrics()

    def _over_batches(self) -> Iterator[Trial]:
        yield "I2", "the mean of what the metric says of each batch", self._batch_means
        yield "I1", "what the metric says of the last batch alone", self._of_batches
        is_mean = issubclass(self._kind, Average)
        if is_mean:
            yield "I1", "a sum over the samples instead of their mean", self._sums
        yield "I1", "the sum of what the metric says of each batch", self._batch_sums

    def _weights(self) -> Iterator[Trial]:
        if self._given.weight is None:
            return
        sentence = "sample weights are ignored" if self._is_weighted else "samples are weighted"
        yield "I1", sentence, lambda: self._said(is_weighted=not self._is_weighted)
        yield (
            "I1",
            "the mean of what it says of each batch, and " + sentence,
            self._other_batch_means,
        )
        if self._is_weighted and issubclass(self._kind, Average):
            sentence = "divided by the number of samples instead of the sum of their weights"
            yield "I1", sentence, self._by_number

    def _scaled(self) -> Iterator[Trial]:
        yield "I1", "percent: 100 times Keras's", lambda: [100 * v for v in self._said()]
        yield "I1", "1 minus Keras's", lambda: [1 - v for v in self._said()]
        yield "I1", "the opposite sign", lambda: [-v for v in self._said()]
        yield "I1", "the root of Keras's", lambda: [v.sqrt() for v in self._said()]
        yield "I1", "the square of Keras's", lambda: [v.square() for v in self._said()]

    def _settings_changed(self) -> Iterator[Trial]:
        known = inspect.signature(self._kind.__init__).parameters
        for name, values in _SETTINGS.items():
            if name not in known:
                continue
            default = known[name].default
            theirs = self._settings.get(name, default)
            for value in values:
                if value == theirs and type(value) is type(theirs):
                    continue
                sentence = f"{name}={value!r}, where Keras has {theirs!r}"
                yield "I1", sentence, partial(self._said, settings={name: value})

    def _before_activation(self) -> Iterator[Trial]:
        linear = self._given.linear
        if not torch.equal(self._given.output, linear):
            sentence = "outputs are taken before the activation: logits instead of probabilities"
            yield "I1", sentence, lambda: self._said(linear)

    def _other_outputs(self) -> Iterator[Trial]:
        given, output = self._given, self._given.output
        for name, function in (
            ("sigmoid", torch.sigmoid),
            ("softmax", lambda x: torch.softmax(x, -1)),
            ("rounding", torch.round),
        ):
            sentence = f"{name} is applied to the outputs first"
            yield "I1", sentence, partial(self._said, function(output))
        at_half = torch.where(output == 0.5, torch.nextafter(output, output + 1), output)
        sentence = "an output of exactly the threshold counts as above it"
        yield "I1", sentence, lambda: self._said(at_half)
        if output.ndim > 1 and output.shape[-1] > 1:
            turned, count = output.flip(-1), output.shape[-1]
            is_sparse = given.y.ndim < output.ndim
            y = count - 1 - given.y if is_sparse else given.y.flip(-1)
            sentence = "of equal outputs the last one counts, in Keras the first"
            yield "I1", sentence, lambda: self._said(turned, y=y)

    def _other_metrics(self) -> Iterator[Trial]:
        if self._kind.__name__ == "AUC":
            sentence = "the area without thresholds; Keras's is of 200 of them"
            yield "I1", sentence, self._exact_area
        for kind in dict.fromkeys(METRICS.values()):
            if kind is not self._kind:
                sentence = f"{kind.__name__}, where Keras has {self._kind.__name__}"
                yield "I1", sentence, partial(self._said, kind=kind)

    # --- numbers ---------------------------------------------------------------------------------

    def said(self) -> list[torch.Tensor]:
        """Returns what the metric says after each batch."""
        return self._said()

    def _made(self, kind: type[Metric] | None, settings: Mapping[str, Any] | None) -> Metric:
        if kind is not None:
            return kind(dtype=torch.float64)
        return self._kind(**{**self._settings, **(settings or {}), "dtype": torch.float64})

    def _said(
        self,
        output: torch.Tensor | None = None,
        *,
        y: torch.Tensor | None = None,
        settings: Mapping[str, Any] | None = None,
        kind: type[Metric] | None = None,
        is_weighted: bool | None = None,
        resets: bool = False,
    ) -> list[torch.Tensor]:
        """Returns what a definition says after each batch."""
        given, made = self._given, self._made(kind, settings)
        output = given.output if output is None else output
        y = given.y if y is None else y
        has_weights = self._is_weighted if is_weighted is None else is_weighted
        found = []
        for rows in given.rows:
            if resets:
                made.reset()
            weight = given.weight[rows] if has_weights and given.weight is not None else None
            made.update(output[rows], y[rows], weight)
            found.append(made.result())
        return found

    def _of_batches(self) -> list[torch.Tensor]:
        return self._said(resets=True)

    def _batch_means(self) -> list[torch.Tensor]:
        return _running_means(self._of_batches())

    def _other_batch_means(self) -> list[torch.Tensor]:
        return _running_means(self._said(resets=True, is_weighted=not self._is_weighted))

    def _batch_sums(self) -> list[torch.Tensor]:
        return list(torch.stack(self._of_batches()).cumsum(0))

    def _sums(self) -> list[torch.Tensor]:
        return [v * rows.stop for v, rows in zip(self._said(), self._given.rows, strict=True)]

    def _by_number(self) -> list[torch.Tensor]:
        assert self._given.weight is not None
        return [
            value * self._given.weight[: rows.stop].mean()
            for value, rows in zip(self._said(), self._given.rows, strict=True)
        ]

    def _exact_area(self) -> list[torch.Tensor]:
        """Returns how often a right output is above a wrong one; of two equal ones half counts."""
        scores, labels = self._given.output.reshape(-1), self._given.y.reshape(-1) > 0.5
        per_row = len(scores) // len(self._given.output)
        found = []
        for rows in self._given.rows:
            end = rows.stop * per_row
            right, wrong = scores[:end][labels[:end]], scores[:end][~labels[:end]]
            apart = right[:, None] - wrong[None]
            found.append(((apart > 0).double() + 0.5 * (apart == 0).double()).mean())
        return found


def _running_means(values: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    return [torch.stack(list(values[: n + 1])).mean(0) for n in range(len(values))]


def _settings_of(config: Any) -> dict[str, Any]:
    """Returns the settings of a configuration that its class takes, but for name and dtype."""
    given = dict(config.get("config") or {}) if isinstance(config, Mapping) else {}
    kind = METRICS.get(config["class_name"]) if isinstance(config, Mapping) else None
    if kind is None:
        return {}
    known = inspect.signature(kind.__init__).parameters
    return {n: v for n, v in given.items() if n in known and n not in ("name", "dtype")}


def _code(base: Metric, config: Any) -> str:
    """Returns Keras's metric as code."""
    kind = type(base)
    if kind.__name__ not in METRICS:  # the mean of a function of Keras
        return f"torch_impl.metrics.from_config({config!r})"
    known = inspect.signature(kind.__init__).parameters
    settings = {
        name: value
        for name, value in _settings_of(config).items()
        if known[name].default is inspect.Parameter.empty or value != known[name].default
    }
    if base.name != snake_case(kind.__name__):
        settings["name"] = base.name
    arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return f"torch_impl.metrics.{kind.__name__}({arguments})"


# --- What the metrics of a port say: of given outputs, and of the port's own ----------------------
#
# The trace of Keras and the outputs of the port go in. `metric/PART/NAME` comes out, under Keras's
# names: what a metric says after each batch. A port without metrics is measured by Keras's, which
# tells its outputs apart and no more.


Named = Mapping[str, Measure]  # by its name
Batch = tuple[Any, Any, Any]  # outputs, targets, weights of the samples; nests of several outputs
Arrays = dict[str, np.ndarray]  # by the name of the output; of the only one by ""
Tensors = dict[str, torch.Tensor]
# Of the samples of the probe and of their weights; in the order of the levels.
_PARTS = ("given", "eval", "train")


def write_metrics(port: PortUnderTest, form: str, writer: PortWriter) -> None:
    """Writes what the metrics say, and the facts `metric_names` and `metric_trials`.

    Args:
        port: with Keras's weights.
        form: of its output, as `output_form` tells it.
        writer: has the outputs of the port; receives all that is written.
    """
    probe = port.keras.facts.get("metric_probe")
    if probe is None or not probe["names"] or probe.get("why"):
        return
    built = port.built
    if built.metrics or built.weighted_metrics:
        _PortMetrics(port, form, writer).write()
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


def _write_of_keras(port: PortUnderTest, form: str, writer: PortWriter) -> None:
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


class _PortMetrics:
    """The metrics of a port that has some.

    Args:
        port: with Keras's weights.
        form: of its output.
        writer: has its outputs.
    """

    def __init__(self, port: PortUnderTest, form: str, writer: PortWriter) -> None:
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
            names_of_outputs = self._port.outputs.port_names
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
            {name: each.is_weighted for name, each in self._port_metrics(names).items()}
        )

    def _port_metrics(self, names: Mapping[str, str]) -> Named:
        """Returns the port's metrics by Keras's names."""
        output, y, _ = self._batches("given")[0]
        built = self._port.built
        made = named_metrics(
            built.metrics,
            built.weighted_metrics,
            output,
            y,
            torch.float64,
            self._port.outputs.port_names,
        )
        return {theirs: made[ours] for theirs, ours in names.items()}

    def _paired(self, names: Sequence[str]) -> dict[str, str]:
        """Returns Keras's name -> the port's: of the same name, else in their order."""
        theirs = list(self._keras.facts["metric_probe"]["names"])
        pairs = {name: name for name in theirs if name in names}
        left = [name for name in theirs if name not in pairs]
        others = [name for name in names if name not in pairs]
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
            rows = probe_inputs.rows(keras.facts["metric_probe"]["sizes"])
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
        for name, raw_output in port.outputs.raw(port.nest).items():
            keys = (keyed(f"metric_input/{kind}", name) for kind in ("linear", "output"))
            linear, output = (keras[key] for key in keys)
            with np.errstate(divide="ignore", invalid="ignore"):
                forms = {"linear": linear, "log": np.log(output)}
            form = port.outputs.forms.get(name, "same") if name else self._form
            axes = None if name else port.returned
            found[name] = port.tensor(as_returned(forms.get(form, output), raw_output.shape, axes))
        return found, self._targets("metric_input/target")

    def _returned(self, mode: str) -> Tensors:
        """Returns what the port returns for the probe."""
        port = self._port
        if not port.outputs.names:
            array = self._writer.arrays[f"forward/{mode}/output"]
            made = port.tensor(as_returned(array, array.shape, port.returned))
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


def _tell(writer: PortWriter, what: str, why: str) -> None:
    writer.facts.setdefault("not_compared", []).append({"what": what, "why": why})
