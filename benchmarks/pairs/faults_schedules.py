"""Ports with one mistake each in their schedule or callbacks."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.pairs.torch_net import by_lambda, mlp, stepped, watched
from torch_impl import Port, optim, schedule


def _plateau(**keywords: Any) -> Port:
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    settings: dict[str, Any] = {"factor": 0.5, "threshold_mode": "abs", "eps": 0.0, **keywords}
    monitor = settings.pop("monitor", "val_loss")
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **settings)
    return watched(optimizer, module, scheduler=scheduler, monitor=monitor)


def plateau_missing() -> Port:
    module = mlp()
    return watched(optim.Adam(module.parameters(), 0.002), module)


class _Stop:
    """A handwritten early stopping: any improvement counts, and it stops one epoch late."""

    def __init__(self, patience: int) -> None:
        self.best, self.bad, self.patience = float("inf"), 0, patience

    def step(self, value: float) -> bool:
        """Returns whether to stop."""
        self.bad = 0 if value < self.best else self.bad + 1
        self.best = min(self.best, value)
        return self.bad > self.patience


def stopping_by_hand() -> Port:
    module = mlp()
    return watched(optim.Adam(module.parameters(), 0.002), module, early_stopping=_Stop(4))


def stopping_missing() -> Port:
    module = mlp()
    return watched(optim.Adam(module.parameters(), 0.002), module)


class _Late:
    """Sets the rate of an epoch at its end."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer, self.epoch = optimizer, 0

    def step(self) -> None:
        """Ends an epoch."""
        for group in self.optimizer.param_groups:
            group["lr"] = 0.02 * 0.7**self.epoch
        self.epoch += 1


def scheduler_late() -> Port:
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02)
    return watched(optimizer, module, scheduler=_Late(optimizer))


def scheduler_missing() -> Port:
    module = mlp()
    return watched(torch.optim.SGD(module.parameters(), lr=0.02), module)


def exponential_by_epoch() -> Port:
    module = mlp()
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.8)
    return watched(optimizer, module, scheduler=scheduler)


def exponential_missing() -> Port:
    module = mlp()
    return watched(optim.SGD(module.parameters(), 0.1, momentum=0.9), module)


def exponential_other() -> Port:
    rates = schedule.ExponentialDecay(0.1, 20, 0.9)
    return stepped(optim.SGD, rates, momentum=0.9)


def cosine_no_warmup() -> Port:
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.01)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 400, eta_min=0.001)
    return watched(optimizer, module, scheduler=scheduler, scheduler_interval="step")


def piecewise_early() -> Port:
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    scheduler = by_lambda(
        optimizer, lambda step: 1.0 if step < 10 else (0.3 if step < 100 else 0.1)
    )
    return watched(optimizer, module, scheduler=scheduler, scheduler_interval="step")


globals().update(
    plateau_patience=lambda: _plateau(patience=3, min_lr=1e-5),
    plateau_relative=lambda: _plateau(patience=2, min_lr=1e-5, threshold_mode="rel"),
    plateau_factor=lambda: _plateau(patience=2, min_lr=1e-5, factor=0.1),
    plateau_floor=lambda: _plateau(patience=2),
    plateau_cooldown=lambda: _plateau(patience=1, factor=0.3, cooldown=3),
    plateau_mode=lambda: _plateau(patience=1, mode="min", monitor="val_accuracy"),
    plateau_metric=lambda: _plateau(patience=1, factor=0.3, cooldown=2, monitor="loss"),
    staircase_missing=lambda: stepped(optim.Adam, schedule.ExponentialDecay(0.01, 7, 0.5)),
)
