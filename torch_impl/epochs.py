"""Epochs: does after each epoch what the callbacks of Keras's `model.fit` do."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import nn

from parity.programs.run_spec import RunSpec
from parity.traces.trace import History
from torch_impl.optim import Adam
from torch_impl.schedule import EarlyStopping, ReduceLROnPlateau

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
        self.history: History = {key: [] for key in KEYS}
        self._spec, self._optimizer = spec, optimizer
        self._reduce_lr: ReduceLROnPlateau | None = None
        self._early_stopping: EarlyStopping | None = None
        if spec.reduce_lr is not None:
            self._reduce_lr = ReduceLROnPlateau(optimizer, **_rule(spec.reduce_lr))
        if spec.early_stopping is not None:
            self._early_stopping = EarlyStopping(model, **_rule(spec.early_stopping))

    def keep(self, trained: tuple[float, float], validated: tuple[float, float]) -> None:
        """Keeps (loss, accuracy) of an epoch in training and validation, and its rate."""
        rate = self._optimizer.param_groups[0]["lr"]
        for key, value in zip(KEYS, (*trained, *validated, rate), strict=True):
            self.history[key].append(value)

    def is_over(self) -> bool:
        """Applies the callbacks to the epoch that was kept last; returns whether to stop."""
        if self._reduce_lr is not None:
            assert self._spec.reduce_lr is not None
            self._reduce_lr.step(self.history[self._spec.reduce_lr.monitor][-1])
        if self._early_stopping is None:
            return False
        assert self._spec.early_stopping is not None
        return self._early_stopping.step(self.history[self._spec.early_stopping.monitor][-1])

    def restore(self) -> None:
        """Restores the best weights if the spec says so. Call it once, after training."""
        if self._early_stopping is not None:
            self._early_stopping.restore()


def _rule(group: Any) -> dict[str, Any]:
    """Returns the arguments of a callback, without `monitor`, whose values are passed here."""
    return {name: value for name, value in dataclasses.asdict(group).items() if name != "monitor"}
