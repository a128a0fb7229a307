"""Measures: loss and metrics of an epoch, running, under the keys of Keras's history.

Source: keras 3.15 `trainers/trainer.py`, `trainers/compile_utils.py` (`CompileMetrics`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from torch_impl.metrics import Mean, Metric, history_names, metric
from torch_impl.trainer.batches import Batch


class Measures(Mapping[str, float]):
    """Loss and metrics of the batches since the last reset.

    It is a mapping: a key is computed when it is read, and the keys are sorted, as in Keras's logs.

    Args:
        metrics: what `compile(metrics=...)` takes.
        weighted_metrics: what `compile(weighted_metrics=...)` takes.
        dtype: of what is added up.
    """

    def __init__(
        self, metrics: Sequence[Any], weighted_metrics: Sequence[Any], dtype: torch.dtype
    ) -> None:
        self._given = (list(metrics), list(weighted_metrics))
        self._dtype = dtype
        self._loss = Mean("loss", dtype)
        # Made with the first batch: "accuracy" means what the shapes of outputs and targets say.
        self._metrics: dict[str, tuple[Metric, bool]] | None = None

    def reset(self) -> None:
        """Forgets all batches."""
        self._loss.reset()
        for each, _ in (self._metrics or {}).values():
            each.reset()

    def update(self, loss: torch.Tensor, output: Any, batch: Batch) -> None:
        """Adds a batch.

        Args:
            loss: its loss, a scalar.
            output: of the module.
            batch: targets and weights; its size is the weight of the loss.
        """
        self._loss.update(loss, torch.tensor(len(batch), dtype=self._dtype))
        if self._metrics is None:
            self._metrics = self._made(output, batch.y)
        for each, is_weighted in self._metrics.values():
            each.update(output, batch.y, batch.weight if is_weighted else None)

    def __getitem__(self, key: str) -> float:
        found = self._loss if key == "loss" else (self._metrics or {})[key][0]
        return float(found.result())

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(["loss", *(self._metrics or {})]))

    def __len__(self) -> int:
        return 1 + len(self._metrics or {})

    def _made(self, output: Any, y: Any) -> dict[str, tuple[Metric, bool]]:
        return named_metrics(*self._given, output, y, self._dtype)


def named_metrics(
    metrics: Sequence[Any],
    weighted_metrics: Sequence[Any],
    output: Any,
    y: Any,
    dtype: torch.dtype,
) -> dict[str, tuple[Metric, bool]]:
    """Returns metrics by the names that Keras's history writes, in their order.

    Args:
        metrics: what `compile(metrics=...)` takes.
        weighted_metrics: what `compile(weighted_metrics=...)` takes.
        output: of the module, for a batch.
        y: its targets.
        dtype: of what is added up.

    Returns:
        For each name a metric, and whether it gets the weights of the samples.

    Raises:
        ValueError: there are metrics, and outputs or targets are no tensors.
    """
    if not metrics and not weighted_metrics:
        return {}
    if not isinstance(output, torch.Tensor) or not isinstance(y, torch.Tensor):
        raise ValueError(
            f"metrics of outputs {type(output).__name__} and targets {type(y).__name__}: "
            "expected one tensor of each"
        )
    made = [
        [metric(each, output.shape, y.shape, dtype) for each in given]
        for given in (metrics, weighted_metrics)
    ]
    names = history_names(*([each.name for each in part] for part in made))
    flat = [(each, bool(number)) for number, part in enumerate(made) for each in part]
    return dict(zip(names, flat, strict=True))
