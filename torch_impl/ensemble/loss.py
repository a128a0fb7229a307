"""The losses of R runs, and how they are reported."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from torch_impl.ensemble.batch import StackedBatch
from torch_impl.losses import SparseCategoricalCrossentropy
from torch_impl.penalty import RegularizedLoss


class StackedLoss:
    """The loss of each run, penalties included.

    Args:
        criterion: of one run; all have the same rules.
        parameters: (R, ...) each, by the names that they have in a model.

    Raises:
        ValueError: a loss or a penalty that cannot be stacked.
    """

    def __init__(self, criterion: nn.Module, parameters: Mapping[str, torch.Tensor]) -> None:
        if not isinstance(criterion, RegularizedLoss):
            raise ValueError(f"{criterion} cannot be stacked: expected RegularizedLoss")
        loss, penalty = criterion.loss, criterion.penalty
        if type(loss) is not SparseCategoricalCrossentropy or loss.ignore_class is not None:
            raise ValueError(f"{loss} cannot be stacked: expected SparseCategoricalCrossentropy")
        if penalty.activities:
            raise ValueError(
                f"penalties of the outputs of {sorted(penalty.activities)} cannot be stacked: "
                "expected penalties of weights"
            )
        self._loss, self._terms = loss, []
        for name, regularizer in penalty.weights.items():
            if not regularizer.is_layout_free:
                raise ValueError(f"{regularizer} of {name} cannot be stacked: expected L1 or L2")
            self._terms.append((torch.vmap(regularizer), parameters[name]))

    def __call__(self, logits: torch.Tensor, batch: StackedBatch) -> torch.Tensor:
        """Returns (R,) losses, means and penalties, of logits (R, N, classes)."""
        values = self._loss.values(logits, batch.y)
        is_sample = batch.is_sample()
        if is_sample is None:
            losses = values.mean(1)
        else:
            losses = torch.where(is_sample, values, 0).sum(1) / is_sample.sum(1)
        for penalties, parameter in self._terms:
            losses = losses + penalties(parameter)
        return losses


class StackedMetrics:
    """Loss and accuracy of R runs, each as `torch_impl.train.RunningMetrics` has them.

    Args:
        num_runs: R.
        weight: has the dtype and the device of the runs.
    """

    def __init__(self, num_runs: int, weight: torch.Tensor) -> None:
        self._loss, self._correct = weight.new_zeros(num_runs), weight.new_zeros(num_runs)
        self._count = weight.new_zeros(num_runs)

    def update(self, losses: torch.Tensor, logits: torch.Tensor, batch: StackedBatch) -> None:
        """Adds a batch: `losses` are (R,) means, `logits` are (R, N, classes)."""
        is_correct = logits.argmax(2) == batch.y
        is_sample = batch.is_sample()
        if is_sample is None:
            count: torch.Tensor | int = batch.y.shape[1]
        else:
            is_correct, count = is_correct & is_sample, is_sample.sum(1)
        self._loss += losses * count
        self._correct += is_correct.sum(1)
        self._count += count

    def losses(self) -> list[float]:
        """Returns the mean loss of each run so far."""
        return (self._loss / self._count).tolist()

    def result(self) -> list[tuple[float, float]]:
        """Returns (loss, accuracy) of each run, of all batches so far."""
        return list(zip(self.losses(), (self._correct / self._count).tolist(), strict=True))
