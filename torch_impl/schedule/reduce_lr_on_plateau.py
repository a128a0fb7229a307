"""ReduceLROnPlateau by Keras's rules."""

from __future__ import annotations

import numpy as np
import torch

from torch_impl.schedule.monitor import Monitor
from torch_impl.schedule.rates import round_rates


class ReduceLROnPlateau:
    """Cuts the learning rate when a metric has stopped improving, by Keras's rules.

    Differs from torch.optim.lr_scheduler.ReduceLROnPlateau in:
    1. the rate is cut as soon as `patience` epochs in a row were bad, not one epoch later;
    2. an improvement is one by more than `min_delta`, absolute and not relative;
    3. the first value is always an improvement, also NaN, which nothing improves on later;
    4. a cooldown ends within the epoch in which its counter reaches zero, and that epoch counts;
    5. there is no smallest change: the rate falls down to `min_lr`;
    6. values are compared in float32, in float64 runs too (`keras.ops.less` of two Python floats);
       the rate is kept in the dtype of the weights;
    7. by default the name of the metric tells whether less is better, as it is of "val_loss".

    Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `callbacks/monitor_callback.py`.

    Args:
        optimizer: whose `param_groups` are changed.
        factor: new rate = rate * factor, in (0, 1).
        patience: number of bad epochs in a row after which the rate is cut.
        min_delta: by how much a value must be better to count.
        cooldown: epochs after a cut in which none counts as bad.
        min_lr: lower bound of the rate.
        mode: "min", "max", or "auto", for which `monitor` tells.
        monitor: name of the metric whose values `step` is given.

    Raises:
        ValueError: for a factor outside of (0, 1); for a mode that is unknown or that the name does
            not tell; for an optimizer that follows a schedule.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        mode: str = "auto",  # (7)
        monitor: str = "val_loss",
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor={factor!r}: expected a number in (0, 1)")
        self.optimizer = optimizer
        self.factor, self.patience = factor, patience
        self._monitor = Monitor(monitor, mode, min_delta)
        self.cooldown, self.min_lr = cooldown, min_lr
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0
        self._round = round_rates(optimizer)  # (6)

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether the rate was cut.

        Args:
            value: the metric of the epoch that has just ended.
        """
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1  # (4)
            self.wait = 0
        if self._monitor.is_better(value, self.best):  # (2) (3) (6)
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and self._cut():  # (1)
                self.cooldown_counter, self.wait = self.cooldown, 0
                return True
        return False

    def _cut(self) -> bool:
        has_cut = False
        for group in self.optimizer.param_groups:
            if group["lr"] > np.float32(self.min_lr):
                rate = max(group["lr"] * self.factor, self.min_lr)
                group["lr"] = float(self._round(rate))  # (5) (6)
                has_cut = True
        return has_cut
