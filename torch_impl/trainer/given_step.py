"""GivenStepper: makes the steps of a training by the `train_step` of a port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from torch_impl.trainer.batches import Batch
from torch_impl.trainer.step import Stepper

if TYPE_CHECKING:
    from torch_impl.port import Port


class GivenStepper(Stepper):
    """Prepares batches as `Stepper` does, and hands them to `Port.train_step`.

    The numbers of an epoch are means over its steps, as those of a `keras.metrics.Mean` which
    `train_step` updates once. The port needs no loss, and no optimizer: the step has them.

    Args:
        port: with a `train_step`.

    Attributes:
        measures: what the steps have returned, running.
    """

    NEEDED: ClassVar[tuple[str, ...]] = ("train_step",)
    measures: Any

    def __init__(self, port: Port) -> None:
        super().__init__(port)
        self.measures = GivenMeasures()

    def step(self, batch: Batch) -> tuple[Any, None]:
        """Makes a step on a prepared batch; returns its numbers by name."""
        assert self.port.train_step is not None
        return self.port.train_step(batch.x if batch.y is None else batch.parts()), None

    def evaluated(self, batch: Batch) -> tuple[torch.Tensor, Any]:
        """Rejects a validation.

        Raises:
            ValueError: always; a `train_step` does not say what a validation computes.
        """
        raise ValueError(
            "validation of a port with a train_step: expected Port(evaluate=...), which returns "
            "the numbers of a validation, or no data for it"
        )


class GivenMeasures(Mapping[str, float]):
    """Means of numbers over the steps since the last reset."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._number = 0

    def reset(self) -> None:
        """Forgets all steps."""
        self._sums, self._number = {}, 0

    def update(self, numbers: Mapping[str, Any], *_: Any) -> None:
        """Adds a step.

        Args:
            numbers: by name, a number or a tensor of one each.
        """
        self._number += 1
        for name, value in numbers.items():
            number = float(value.detach() if isinstance(value, torch.Tensor) else value)
            self._sums[name] = self._sums.get(name, 0.0) + number

    def __getitem__(self, key: str) -> float:
        return self._sums[key] / self._number

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._sums))

    def __len__(self) -> int:
        return len(self._sums)
