"""Why a metric of a port says another number than Keras's: definitions that give its numbers.

Keras's metric, the given outputs and the port's numbers go in. For each metric that differs, the
first change of Keras's definition that gives the port's numbers after every batch comes out, with
Keras's definition as code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from parity.data import metric_inputs
from parity.halves.torch.check.compiled_metrics import Compiled, compiled_metrics
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import TraceWriter
from torch_impl.metrics import METRICS, Metric, metric
from torch_impl.metrics.means import Average
from torch_impl.metrics.names import snake_case

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

    def __init__(self, port: PortUnderTest, writer: TraceWriter) -> None:
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
        for name, told, numbers in (*self._of_others(keras), *trials):
            try:
                values = np.stack([value.numpy() for value in numbers()])
            except Exception:  # a setting may not fit outputs or targets
                continue
            if values.shape == ours.shape and self._is_near(values.astype(np.float64), ours):
                return {"id": name, "told": told, "definition": definition}
        return {"id": "", "told": "", "definition": definition}

    def _is_near(self, a: np.ndarray, b: np.ndarray) -> bool:
        return bool(np.allclose(a, b, rtol=self._close, atol=1e-12, equal_nan=True))

    def _of_others(self, keras: Compiled) -> Iterator[Trial]:
        """Yields Keras's metric of the other outputs."""
        for other in self._port.outputs.names if keras.output else ():
            if other != keras.output:
                moved = replace(keras, output=other)
                told = f"it measures the output {other}, where Keras measures {keras.output}"
                yield "I1", told, partial(self._said_of, moved)

    def _said_of(self, keras: Compiled) -> list[torch.Tensor]:
        given = self._given(keras)
        base = metric(keras.given, given.output.shape, given.y.shape, torch.float64)
        return _Definition(base, keras.given, given, keras.is_weighted).said()

    def _given(self, keras: Compiled) -> _Given:
        trace = self._keras

        def tensor(what: str) -> torch.Tensor:
            return torch.from_numpy(np.array(trace[keras.key(what)]))

        weight = tensor("weight/given") if keras.key("weight/given") in trace else None
        rows = metric_inputs.rows(trace.facts["metric_probe"]["sizes"])
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
        told = "sample weights are ignored" if self._is_weighted else "samples are weighted"
        yield "I1", told, lambda: self._said(is_weighted=not self._is_weighted)
        yield "I1", "the mean of what it says of each batch, and " + told, self._other_batch_means
        if self._is_weighted and issubclass(self._kind, Average):
            told = "divided by the number of samples instead of the sum of their weights"
            yield "I1", told, self._by_number

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
            own = self._settings.get(name, default)
            for value in values:
                if value == own and type(value) is type(own):
                    continue
                told = f"{name}={value!r}, where Keras has {own!r}"
                yield "I1", told, partial(self._said, settings={name: value})

    def _before_activation(self) -> Iterator[Trial]:
        linear = self._given.linear
        if not torch.equal(self._given.output, linear):
            told = "outputs are taken before the activation: logits instead of probabilities"
            yield "I1", told, lambda: self._said(linear)

    def _other_outputs(self) -> Iterator[Trial]:
        given, output = self._given, self._given.output
        for name, function in (
            ("sigmoid", torch.sigmoid),
            ("softmax", lambda x: torch.softmax(x, -1)),
            ("rounding", torch.round),
        ):
            told = f"{name} is applied to the outputs first"
            yield "I1", told, partial(self._said, function(output))
        at_half = torch.where(output == 0.5, torch.nextafter(output, output + 1), output)
        told = "an output of exactly the threshold counts as above it"
        yield "I1", told, lambda: self._said(at_half)
        if output.ndim > 1 and output.shape[-1] > 1:
            turned, count = output.flip(-1), output.shape[-1]
            is_sparse = given.y.ndim < output.ndim
            y = count - 1 - given.y if is_sparse else given.y.flip(-1)
            told = "of equal outputs the last one counts, in Keras the first"
            yield "I1", told, lambda: self._said(turned, y=y)

    def _other_metrics(self) -> Iterator[Trial]:
        if self._kind.__name__ == "AUC":
            told = "the area without thresholds; Keras's is of 200 of them"
            yield "I1", told, self._exact_area
        for kind in dict.fromkeys(METRICS.values()):
            if kind is not self._kind:
                told = f"{kind.__name__}, where Keras has {self._kind.__name__}"
                yield "I1", told, partial(self._said, kind=kind)

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
        begins_again: bool = False,
    ) -> list[torch.Tensor]:
        """Returns what a definition says after each batch."""
        given, made = self._given, self._made(kind, settings)
        output = given.output if output is None else output
        y = given.y if y is None else y
        has_weights = self._is_weighted if is_weighted is None else is_weighted
        found = []
        for rows in given.rows:
            if begins_again:
                made.reset()
            weight = given.weight[rows] if has_weights and given.weight is not None else None
            made.update(output[rows], y[rows], weight)
            found.append(made.result())
        return found

    def _of_batches(self) -> list[torch.Tensor]:
        return self._said(begins_again=True)

    def _batch_means(self) -> list[torch.Tensor]:
        return _running_means(self._of_batches())

    def _other_batch_means(self) -> list[torch.Tensor]:
        return _running_means(self._said(begins_again=True, is_weighted=not self._is_weighted))

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
    told = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return f"torch_impl.metrics.{kind.__name__}({told})"
