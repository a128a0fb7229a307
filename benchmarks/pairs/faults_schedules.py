"""Ports with one mistake each in their schedule or callbacks."""

from __future__ import annotations

from typing import Any

import torch
from torch.optim import lr_scheduler

from benchmarks.pairs.torch_net import by_lambda, stepped, watched
from benchmarks.pairs.torch_schedules import adam
from torch_impl import Port, optim, schedule


def _plateau(monitor: str = "val_loss", **keywords: Any) -> Port:
    settings = {"factor": 0.5, "threshold_mode": "abs", "eps": 0.0, **keywords}
    return watched(adam, lambda o: lr_scheduler.ReduceLROnPlateau(o, **settings), monitor=monitor)


def _sgd(parameters: Any) -> torch.optim.SGD:
    return torch.optim.SGD(parameters, lr=0.02)


def _momentum(parameters: Any) -> optim.SGD:
    return optim.SGD(parameters, 0.1, momentum=0.9)


class _Stop:
    """A handwritten early stopping: any improvement counts, and it stops one epoch late."""

    def __init__(self, patience: int) -> None:
        self.best, self.bad, self.patience = float("inf"), 0, patience

    def step(self, value: float) -> bool:
        """Returns whether to stop."""
        self.bad = 0 if value < self.best else self.bad + 1
        self.best = min(self.best, value)
        return self.bad > self.patience


class _Late:
    """Sets the rate of an epoch at its end."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.epoch = optimizer, 0

    def step(self) -> None:
        """Ends an epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = 0.02 * 0.7**self.epoch
        self.epoch += 1


globals().update(
    plateau_missing=lambda: watched(adam),
    plateau_patience=lambda: _plateau(patience=3, min_lr=1e-5),
    plateau_relative=lambda: _plateau(patience=2, min_lr=1e-5, threshold_mode="rel"),
    plateau_factor=lambda: _plateau(patience=2, min_lr=1e-5, factor=0.1),
    plateau_floor=lambda: _plateau(patience=2),
    plateau_cooldown=lambda: _plateau(patience=1, factor=0.3, cooldown=3),
    plateau_mode=lambda: _plateau(patience=1, mode="min", monitor="val_accuracy"),
    plateau_metric=lambda: _plateau(patience=1, factor=0.3, cooldown=2, monitor="loss"),
    staircase_missing=lambda: stepped(optim.Adam, schedule.ExponentialDecay(0.01, 7, 0.5)),
    stopping_by_hand=lambda: watched(adam, stopping=lambda module: _Stop(4)),
    stopping_missing=lambda: watched(adam),
    scheduler_late=lambda: watched(_sgd, _Late),
    scheduler_missing=lambda: watched(_sgd),
    momentum_stock=lambda: watched(
        lambda parameters: torch.optim.SGD(parameters, lr=0.03, momentum=0.9),
        lambda o: schedule.ReduceLROnPlateau(o, factor=0.5, patience=3, min_lr=1e-5),
    ),
    exponential_by_epoch=lambda: watched(_momentum, lambda o: lr_scheduler.ExponentialLR(o, 0.8)),
    exponential_missing=lambda: watched(_momentum),
    exponential_other=lambda: stepped(
        optim.SGD, schedule.ExponentialDecay(0.1, 20, 0.9), momentum=0.9
    ),
    cosine_no_warmup=lambda: watched(
        lambda parameters: optim.Adam(parameters, 0.01),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 400, eta_min=0.001),
        scheduler_interval="step",
    ),
    piecewise_early=lambda: watched(
        lambda parameters: torch.optim.SGD(parameters, lr=0.1),
        by_lambda(lambda step: 1.0 if step < 10 else (0.3 if step < 100 else 0.1)),
        scheduler_interval="step",
    ),
)
