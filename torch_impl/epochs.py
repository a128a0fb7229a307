"""Epochs: does after each epoch what the callbacks of Keras's `model.fit` do."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from torch import nn

from torch_impl.optim import Adam
from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec

KEYS = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")


class Epochs:
    """Keeps the history of a run, cuts its learning rate, and stops it early.

    Args:
        spec: has the settings of the callbacks.
        model: its best weights may be restored at the end.
        optimizer: its learning rate is cut.

    Attributes:
        history: from Keras's key to a value for each epoch.
    """

    def __init__(self, spec: RunSpec, model: nn.Module, optimizer: Adam) -> None:
        self.history: dict[str, list[float]] = {key: [] for key in KEYS}
        self._optimizer = optimizer
        self._reduce_lr = reduce_lr(spec, optimizer)
        self._early_stopping = early_stopping(spec, model)

    def keep(self, trained: tuple[float, float], validated: tuple[float, float]) -> None:
        """Keeps (loss, accuracy) of an epoch in training and validation, and its rate."""
        rate = self._optimizer.param_groups[0]["lr"]
        for key, value in zip(KEYS, (*trained, *validated, rate), strict=True):
            self.history[key].append(value)

    def is_over(self) -> bool:
        """Applies the callbacks to the epoch that was kept last; returns whether to stop."""
        if self._reduce_lr is not None:
            self._reduce_lr.step(self.history[self._reduce_lr.monitor][-1])
        if self._early_stopping is None:
            return False
        return self._early_stopping.step(self.history[self._early_stopping.monitor][-1])

    def restore(self) -> None:
        """Restores the best weights if the spec says so. Call it once, after training."""
        if self._early_stopping is not None:
            self._early_stopping.restore()


def reduce_lr(spec: RunSpec, optimizer: Adam) -> ReduceLROnPlateau | None:
    """Returns the rule of a spec that cuts the rate, if it has one."""
    rule = spec.reduce_lr
    return None if rule is None else ReduceLROnPlateau(optimizer, **dataclasses.asdict(rule))


def early_stopping(spec: RunSpec, model: nn.Module) -> EarlyStopping | None:
    """Returns the rule of a spec that ends a training, if it has one."""
    rule = spec.early_stopping
    return None if rule is None else EarlyStopping(model, **dataclasses.asdict(rule))
