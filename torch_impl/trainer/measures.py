"""Measures and History: loss and metrics of an epoch, under the keys of Keras's history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from torch_impl.losses.outputs import by_output, names_in
from torch_impl.metrics import Mean, Metric, history_names, metric
from torch_impl.trainer.batches import Batch, leaves

# --- History: what a training reports of its epochs -----------------------------------------------


@dataclass
class History:
    """The numbers of every epoch, as `keras.callbacks.History` keeps them.

    Attributes:
        history: from Keras's key, such as "loss" or "val_accuracy", to a number for each epoch;
            with `validation_freq` above 1, keys of validation have fewer.
        epoch: the numbers of the epochs, from 0.
    """

    history: dict[str, list[float]] = field(default_factory=dict)
    epoch: list[int] = field(default_factory=list)

    def keep(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Adds an epoch."""
        self.epoch.append(epoch)
        for key, value in logs.items():
            self.history.setdefault(key, []).append(float(value))

    def state_dict(self) -> dict[str, Any]:
        """Returns a copy of the numbers, for a checkpoint."""
        return {"history": {k: list(v) for k, v in self.history.items()}, "epoch": list(self.epoch)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> History:
        """Returns the history of a checkpoint."""
        return cls({k: list(v) for k, v in state["history"].items()}, list(state["epoch"]))


# --- Measures: loss and metrics of an epoch, running, under the keys of Keras's history -----------
#
# Source: keras 3.15 `trainers/trainer.py`, `trainers/compile_utils.py` (`CompileMetrics`).


class Measures(Mapping[str, float]):
    """Loss and metrics of the batches since the last reset.

    It is a mapping: a key is computed when it is read, and the keys are sorted, as in Keras's logs.

    Args:
        metrics: what `compile(metrics=...)` takes.
        weighted_metrics: what `compile(weighted_metrics=...)` takes.
        dtype: of what is added up.
        names: of several outputs, in their order.
    """

    def __init__(
        self, metrics: Any, weighted_metrics: Any, dtype: torch.dtype, names: Sequence[str] = ()
    ) -> None:
        self._given = (metrics, weighted_metrics)
        self._dtype, self._names = dtype, tuple(names)
        self._losses = {"loss": Mean("loss", dtype)}  # and those of several outputs
        # Made with the first batch: "accuracy" means what the shapes of outputs and targets say.
        self._metrics: dict[str, Measure] | None = None

    def reset(self) -> None:
        """Forgets all batches."""
        for loss in self._losses.values():
            loss.reset()
        for each in (self._metrics or {}).values():
            each.metric.reset()

    def update(
        self, loss: torch.Tensor, output: Any, batch: Batch, parts: Mapping[str, Any] | None = None
    ) -> None:
        """Adds a batch.

        Args:
            loss: its loss, a scalar.
            output: of the module.
            batch: targets and weights; its size is the weight of the loss.
            parts: the losses of several outputs, by the name of the output. Their columns are
                means over batches, that of the total loss is one over samples.
        """
        number = torch.tensor(len(batch), dtype=self._dtype)
        self._losses["loss"].update(loss, number)
        for name, value in (parts or {}).items():
            key = f"{name}_loss"
            # Keras's graph does not know the size of a batch: each counts as one.
            self._losses.setdefault(key, Mean(key, self._dtype)).update(value)
        if self._metrics is None:
            self._metrics = named_metrics(*self._given, output, batch.y, self._dtype, self._names)
        outputs = Outputs(output, batch.y, batch.weight, self._names)
        for each in self._metrics.values():
            each.update(outputs)

    def __getitem__(self, key: str) -> float:
        if key in self._losses:
            return float(self._losses[key].result())
        return float((self._metrics or {})[key].metric.result())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._losses, *(self._metrics or {})]))

    def __len__(self) -> int:
        return len(self._losses) + len(self._metrics or {})


class Outputs:
    """The outputs of a batch with their targets and weights, one by one.

    Args:
        output: a tensor, or a mapping, tuple or list of tensors.
        y: targets, of the same kind.
        weight: of the samples: for all outputs, or a nest of those of each.
        names: of several outputs.
    """

    def __init__(self, output: Any, y: Any, weight: Any, names: Sequence[str]) -> None:
        self.names: tuple[str, ...] = ()  # of several outputs
        if not isinstance(output, Mapping | tuple | list) or len(output) == 1:
            first = [next(leaves(part), None) for part in (output, y, weight)]
            self._one = (first[0], first[1], first[2])
            return
        if isinstance(output, Mapping):
            keys = names_in(output)
            names = names if set(names) == set(keys) else sorted(keys)
        if not names:
            raise ValueError(
                f"{len(output)} outputs without names: expected Port(output_names=...), or a loss "
                "or an output that is a mapping"
            )
        self.names = tuple(names)
        self._outputs = by_output(output, self.names, "outputs")
        self._y = by_output(y, self.names, "targets", may_lack=True)
        is_nest = isinstance(weight, Mapping | tuple | list)
        self._weights = (
            by_output(weight, self.names, "sample_weight", may_lack=True)
            if is_nest
            else dict.fromkeys(self.names, weight)
        )

    def of(self, name: str | None) -> tuple[Any, Any, Any]:
        """Returns output, targets and weights of one output; None: of the only one."""
        if name is None:
            return self._one
        return self._outputs[name], self._y.get(name), self._weights.get(name)


@dataclass(frozen=True)
class Measure:
    """A metric of one output.

    Attributes:
        metric: adds batches up.
        is_weighted: whether it gets the weights of the samples.
        output: the name of its output; None: there is one.
    """

    metric: Metric
    is_weighted: bool
    output: str | None = None

    def update(self, outputs: Outputs) -> None:
        """Adds a batch."""
        output, y, weight = outputs.of(self.output)
        self.metric.update(output, y, weight if self.is_weighted else None)


def named_metrics(
    metrics: Any,
    weighted_metrics: Any,
    output: Any,
    y: Any,
    dtype: torch.dtype,
    names: Sequence[str] = (),
) -> dict[str, Measure]:
    """Returns metrics by the names that Keras's history writes, in their order.

    Args:
        metrics: what `compile(metrics=...)` takes.
        weighted_metrics: what `compile(weighted_metrics=...)` takes.
        output: of the module, for a batch.
        y: its targets.
        dtype: of what is added up.
        names: of several outputs, in their order.

    Raises:
        ValueError: there are metrics, and outputs or targets are no tensors; or they do not say
            which output they belong to.
    """
    if not metrics and not weighted_metrics:
        return {}
    outputs = Outputs(output, y, None, names)
    made: list[Any] = []
    found: list[tuple[Metric, bool, str | None]] = []
    for is_weighted, given in enumerate((metrics, weighted_metrics)):
        by_name: dict[str | None, list[Metric]] = {}
        for name, listed in _listed(given, outputs.names).items():
            one, targets, _ = outputs.of(name)
            if not isinstance(one, torch.Tensor) or not isinstance(targets, torch.Tensor):
                raise ValueError(
                    f"metrics of outputs {type(one).__name__} and targets "
                    f"{type(targets).__name__}: expected one tensor of each"
                )
            by_name[name] = [metric(each, one.shape, targets.shape, dtype) for each in listed]
            found += [(each, bool(is_weighted), name) for each in by_name[name]]
        metric_names = {name: [each.name for each in part] for name, part in by_name.items()}
        made.append(metric_names if outputs.names else metric_names.get(None, []))
    return dict(zip(history_names(*made), (Measure(*each) for each in found), strict=True))


def _listed(given: Any, names: Sequence[str]) -> dict[str | None, list[Any]]:
    """Returns the metrics of each output; by None those of the only one."""
    if not names:
        parts = given.values() if isinstance(given, Mapping) else [given or []]
        return {None: [each for part in parts for each in _flat(part)]}
    if not given:
        return {}
    if not isinstance(given, Mapping) and len(given) != len(names):
        raise ValueError(
            f"{len(given)} metrics for the outputs {', '.join(names)}: expected a mapping from "
            "their names, or a list with an entry for each output, as Keras does"
        )
    found = by_output(given, names, "metrics", may_lack=True)
    return {name: _flat(found[name]) for name in names if found.get(name) is not None}


def _flat(part: Any) -> list[Any]:
    return list(part) if isinstance(part, tuple | list) else [part]
