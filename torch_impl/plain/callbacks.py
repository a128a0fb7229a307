"""Keras's callbacks that watch a metric."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class Monitor:
    """Says when a value is better than the best one, by more than min_delta.

    The first value is always better. Values are compared in float32, as in Keras.
    """

    def __init__(self, mode: str, min_delta: float) -> None:
        self.sign, self.min_delta = (1.0 if mode == "max" else -1.0), abs(min_delta)
        self.best: float | None = None

    def is_better(self, value: float) -> bool:
        """Whether a value is better; then it is the best one."""
        if self.best is not None and not self.exceeds(value, self.best):
            return False
        self.best = value
        return True

    def exceeds(self, value: float, other: float) -> bool:
        """Whether a value is better than another one."""
        shifted = value - self.sign * self.min_delta
        return bool(self.sign * np.float32(shifted) > self.sign * np.float32(other))


class ReduceLROnPlateau:
    """Cuts the rate once `patience` epochs in a row were bad; torch's waits one more.

    An epoch is good if the metric is better by more than min_delta, which is absolute.
    The epoch in which a cooldown ends counts.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "min",
        monitor: str = "val_loss",
    ) -> None:
        self.optimizer, self.factor, self.patience = optimizer, factor, patience
        self.cooldown, self.min_lr, self.monitor = cooldown, min_lr, monitor
        self.watched = Monitor(mode, min_delta)
        self.wait = self.left_to_cool = 0

    def step(self, value: float) -> None:
        """Takes the metric of an epoch."""
        if self.left_to_cool > 0:
            self.left_to_cool -= 1
            self.wait = 0
        if self.watched.is_better(value):
            self.wait = 0
        elif self.left_to_cool == 0:
            self.wait += 1
            if self.wait >= self.patience:
                self.cut()

    def cut(self) -> None:
        """Cuts the rate, if it is not the least one."""
        for group in self.optimizer.param_groups:
            if group["lr"] > np.float32(self.min_lr):
                rate = max(group["lr"] * self.factor, self.min_lr)
                is_double = group["params"][0].dtype == torch.float64
                group["lr"] = rate if is_double else float(np.float32(rate))
                self.left_to_cool, self.wait = self.cooldown, 0


class EarlyStopping:
    """Ends the training after `patience` bad epochs in a row, not after the first."""

    def __init__(
        self,
        model: nn.Module,
        min_delta: float = 0.0,
        patience: int = 0,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
        mode: str = "min",
        monitor: str = "val_loss",
        baseline: float | None = None,
    ) -> None:
        self.model, self.patience, self.monitor = model, patience, monitor
        self.restores, self.start, self.baseline = (
            restore_best_weights,
            start_from_epoch,
            baseline,
        )
        self.watched = Monitor(mode, min_delta)
        self.wait, self.epoch = 0, -1
        self.best_weights: dict[str, torch.Tensor] | None = None

    def step(self, value: float) -> bool:
        """Takes the metric of an epoch; returns whether the training ends."""
        self.epoch += 1
        if self.epoch < self.start:
            return False
        self.wait += 1
        if self.watched.is_better(value):
            # What is better, but not than the baseline, does not begin the count anew.
            if self.baseline is None or self.watched.exceeds(value, self.baseline):
                self.wait = 0
            if self.restores:
                state = self.model.state_dict()
                self.best_weights = {name: x.clone() for name, x in state.items()}
            return False
        return self.wait >= self.patience and self.epoch > 0

    def restore(self) -> None:
        """Brings the best weights back, if they are kept, after the training."""
        if self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)
