"""What watches a training by Keras's rules: ReduceLROnPlateau and EarlyStopping."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


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
        if _improves(value, self.best, self.min_delta):  # (2) (3) (6)
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


class EarlyStopping:
    """Tells when a loss has stopped improving, and keeps the best weights, by Keras's rules.

    Differs from the usual loop written by hand in:
    1. training stops after `patience` epochs without improvement, and with patience 0 after the
       first of them, but never after the first epoch of all;
    2. an improvement is a decrease by more than `min_delta`, absolute;
    3. the first value is always an improvement, also NaN, which nothing improves on later;
    4. best weights are restored also where training was not stopped;
    5. values are compared in float32, in float64 runs too.

    Source: keras 3.15 `callbacks/early_stopping.py`, `callbacks/monitor_callback.py`.

    Args:
        model: whose best weights are kept.
        min_delta: how much smaller a value must be to count as better.
        patience: number of epochs in a row without improvement after which training stops.
        restore_best_weights: whether `restore` brings back the weights of the best epoch.
        start_from_epoch: epochs, counted from 0, before which nothing is watched.
    """

    def __init__(
        self,
        model: nn.Module,
        min_delta: float = 0.0,
        patience: int = 0,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        self.model = model
        self.min_delta, self.patience = abs(min_delta), patience
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.best: float | None = None
        self.best_epoch = 0
        self.wait = 0
        self._epoch = -1
        self._best_weights: dict[str, torch.Tensor] | None = None

    def step(self, value: float) -> bool:
        """Takes the monitored value of an epoch; returns whether training is to stop.

        Args:
            value: the loss of the epoch that has just ended.
        """
        self._epoch += 1
        if self._epoch < self.start_from_epoch:
            return False
        self.wait += 1
        if _improves(value, self.best, self.min_delta):  # (2) (3) (5)
            self.best, self.best_epoch, self.wait = value, self._epoch, 0
            if self.restore_best_weights:
                self._best_weights = {
                    name: tensor.detach().clone() for name, tensor in _weights(self.model)
                }
            return False
        return self.wait >= self.patience and self._epoch > 0  # (1)

    @torch.no_grad()
    def restore(self) -> None:
        """Brings back the best weights, if they are kept; call it after the last epoch."""
        if self._best_weights is not None:
            for name, tensor in _weights(self.model):
                tensor.copy_(self._best_weights[name])  # (4)


def _improves(value: float, best: float | None, min_delta: float) -> bool:
    """Whether a loss is better than the best so far, as both of Keras's callbacks compare."""
    return best is None or bool(np.float32(value + min_delta) < np.float32(best))


def _weights(model: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """What Keras's `get_weights` returns: parameters and buffers, not seeds and counters."""
    return [*model.named_parameters(), *model.named_buffers()]
