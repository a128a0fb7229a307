"""Learning-rate schedules by Keras's rules, on torch optimizers."""

from __future__ import annotations

import numpy as np
import torch


class ReduceLROnPlateau:
    """Cuts the learning rate when a loss has stopped improving, by Keras's rules.

    Differs from torch.optim.lr_scheduler.ReduceLROnPlateau in:
    1. the rate is cut as soon as `patience` epochs in a row were bad, not one epoch later;
    2. an improvement is a decrease by more than `min_delta`, absolute and not relative;
    3. the first value is always an improvement, also NaN, which nothing improves on later;
    4. a cooldown ends within the epoch in which its counter reaches zero, and that epoch counts;
    5. there is no smallest change: the rate falls down to `min_lr`;
    6. values are compared in float32, in float64 runs too (`keras.ops.less` of two Python floats);
       the rate is kept in the dtype of the weights.

    Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `callbacks/monitor_callback.py`.

    Args:
        optimizer: whose `param_groups` are changed.
        factor: new rate = rate * factor, in (0, 1).
        patience: number of bad epochs in a row after which the rate is cut.
        min_delta: how much smaller a value must be to count as better.
        cooldown: epochs after a cut in which none counts as bad.
        min_lr: lower bound of the rate.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        if not 0 < factor < 1:
            raise ValueError(f"factor={factor!r}: expected a number in (0, 1)")
        self.optimizer = optimizer
        self.factor, self.patience, self.min_delta = factor, patience, abs(min_delta)
        self.cooldown, self.min_lr = cooldown, min_lr
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0
        is_float64 = optimizer.param_groups[0]["params"][0].dtype == torch.float64
        self._round = np.float64 if is_float64 else np.float32
        for group in optimizer.param_groups:
            group["lr"] = float(self._round(group["lr"]))  # (6)

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether the rate was cut.

        Args:
            value: the loss of the epoch that has just ended.
        """
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1  # (4)
            self.wait = 0
        if self._improves(value):
            self.best, self.wait = value, 0
        elif self.cooldown_counter == 0:
            self.wait += 1
            if self.wait >= self.patience and self._cut():  # (1)
                self.cooldown_counter, self.wait = self.cooldown, 0
                return True
        return False

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return True  # (3)
        return bool(np.float32(value + self.min_delta) < np.float32(self.best))  # (2) (6)

    def _cut(self) -> bool:
        has_cut = False
        for group in self.optimizer.param_groups:
            if group["lr"] > np.float32(self.min_lr):
                rate = max(group["lr"] * self.factor, self.min_lr)
                group["lr"] = float(self._round(rate))  # (5) (6)
                has_cut = True
        return has_cut
