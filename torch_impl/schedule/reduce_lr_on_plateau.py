"""ReduceLROnPlateau by Keras's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from torch_impl.schedule.monitor import Monitor
from torch_impl.schedule.rates import last_rates, round_rates
from torch_impl.schedule.state import check_names, plain


class ReduceLROnPlateau:
    """Cuts the learning rate when a metric no longer improves, by Keras's rules.

    Differs from torch.optim.lr_scheduler.ReduceLROnPlateau in:
    1. the rate is cut as soon as `patience` epochs in a row were bad, not one epoch later;
    2. an improvement must exceed `min_delta`, which is absolute and not relative;
    3. the first value is always an improvement, even NaN, after which nothing is an improvement;
    4. a cooldown ends in the epoch in which its counter reaches zero, and that epoch counts;
    5. there is no smallest change: the rate falls to `min_lr`;
    6. values are compared in float32, in float64 runs too (`keras.ops.less` of two Python floats);
       the rate is kept in the dtype of the weights;
    7. by default the name of the metric decides whether less is better, as for "val_loss".

    Source: keras 3.15 `callbacks/reduce_lr_on_plateau.py`, `callbacks/monitor_callback.py`.

    Args:
        optimizer: its `param_groups` are changed.
        factor: new rate = rate * factor, in (0, 1).
        patience: number of bad epochs in a row after which the rate is cut.
        min_delta: by how much a value must be better to count.
        cooldown: epochs after a cut in which none counts as bad.
        min_lr: lower bound of the rate.
        mode: "min", "max", or "auto", with which the name in `monitor` decides.
        monitor: name of the metric whose values are passed to `step`.

    Attributes:
        best: the best value so far, or None.
        wait: number of bad epochs in a row.
        cooldown_counter: number of epochs in which none counts as bad.

    Raises:
        ValueError: the factor is outside (0, 1); the mode is unknown, or the name does not decide
            it; or the optimizer follows a schedule.
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
        self.optimizer, self.monitor = optimizer, monitor
        self.factor, self.patience = factor, patience
        self._monitor = Monitor(monitor, mode, min_delta)
        self.cooldown, self.min_lr = cooldown, min_lr
        self._round = round_rates(optimizer)  # (6)
        self.reset()

    def reset(self) -> None:
        """Forgets all epochs, as Keras does when a training begins; the rate stays."""
        self.best: float | None = None
        self.wait = 0
        self.cooldown_counter = 0

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

    def get_last_lr(self) -> list[float]:
        """Returns the present rates of the groups."""
        return last_rates(self.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """Returns what a checkpoint needs; the rate belongs to the optimizer."""
        return {name: plain(getattr(self, name)) for name in ("best", "wait", "cooldown_counter")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes back to the state of a checkpoint.

        Raises:
            ValueError: it is that of another rule.
        """
        check_names(self, state, self.state_dict())
        for name in self.state_dict():
            setattr(self, name, state[name])

    def _cut(self) -> bool:
        has_cut = False
        for group in self.optimizer.param_groups:
            if group["lr"] > np.float32(self.min_lr):
                rate = max(group["lr"] * self.factor, self.min_lr)
                group["lr"] = float(self._round(rate))  # (5) (6)
                has_cut = True
        return has_cut
