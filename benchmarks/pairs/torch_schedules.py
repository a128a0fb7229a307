"""Right ports of the models of `keras_schedules`."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.pairs.torch_net import by_lambda, mlp, stepped, watched
from torch_impl import Port, optim, schedule


def exponential_lambda() -> Port:
    """Steps torch's scheduler after every step, with the SGD of this project."""
    module = mlp()
    optimizer = optim.SGD(module.parameters(), 0.1, momentum=0.9)
    scheduler = by_lambda(optimizer, lambda step: 0.8 ** (step / 20))
    return Port(
        module,
        loss=nn.MSELoss(),
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_interval="step",
    )


def exponential() -> Port:
    """Has the schedule inside the optimizer, both from this project."""
    rates = schedule.ExponentialDecay(0.1, 20, 0.8)
    return stepped(optim.SGD, rates, momentum=0.9)


def staircase_step_lr() -> Port:
    """Torch's StepLR, stepped after every batch."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.01)
    return watched(
        optimizer,
        module,
        scheduler=torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5),
        scheduler_interval="step",
    )


def cosine() -> Port:
    """Likewise."""
    rates = schedule.CosineDecay(1e-4, 400, 0.1, warmup_target=0.01, warmup_steps=9)
    return stepped(optim.Adam, rates)


def cosine_restarts() -> Port:
    """Likewise."""
    rates = schedule.CosineDecayRestarts(0.1, 10, t_mul=2.0, m_mul=0.9, alpha=0.01)
    return stepped(optim.SGD, rates)


def polynomial_torch() -> Port:
    """Torch's own schedule and optimizer: a factor for each step."""
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    scheduler = by_lambda(
        optimizer, lambda step: (0.099 * (1 - min(step, 200) / 200) ** 2 + 0.001) / 0.1
    )
    return watched(optimizer, module, scheduler=scheduler, scheduler_interval="step")


def plateau() -> Port:
    """Uses the class of this project."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    scheduler = schedule.ReduceLROnPlateau(optimizer, factor=0.5, patience=3, min_lr=1e-5)
    return watched(optimizer, module, scheduler=scheduler)


def plateau_torch() -> Port:
    """Torch's own, with constants that have the same effect."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=0.5,
        patience=2,
        threshold=1e-4,
        threshold_mode="abs",
        min_lr=1e-5,
        eps=0.0,
    )
    return watched(optimizer, module, scheduler=scheduler)


def plateau_cooldown() -> Port:
    """Uses the class of this project."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    scheduler = schedule.ReduceLROnPlateau(optimizer, factor=0.3, patience=2, cooldown=3)
    return watched(optimizer, module, scheduler=scheduler)


def plateau_accuracy() -> Port:
    """Uses the class of this project, with a metric that should rise."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    scheduler = schedule.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=2, mode="max", monitor="val_accuracy"
    )
    return watched(optimizer, module, scheduler=scheduler, monitor="val_accuracy")


def stopping() -> Port:
    """Uses the class of this project."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.002)
    stop = schedule.EarlyStopping(module, patience=4, min_delta=0.001)
    return watched(optimizer, module, early_stopping=stop)


def stopping_and_plateau() -> Port:
    """Both."""
    module = mlp()
    optimizer = optim.Adam(module.parameters(), 0.01)
    return watched(
        optimizer,
        module,
        scheduler=schedule.ReduceLROnPlateau(optimizer, factor=0.2, patience=2, min_lr=1e-4),
        early_stopping=schedule.EarlyStopping(module, patience=7),
    )


def scheduler() -> Port:
    """Uses the class of this project, called before the epoch as in Keras."""
    module = mlp()
    optimizer = optim.SGD(module.parameters(), 0.02)
    callback = schedule.LearningRateScheduler(optimizer, lambda epoch, rate: 0.02 * 0.7**epoch)
    return watched(optimizer, module, scheduler=callback)


def scheduler_exponential() -> Port:
    """Torch's own, stepped after the epoch: its factor is 1 in the first one."""
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02)
    return watched(
        optimizer, module, scheduler=torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.7)
    )


def scheduler_steps() -> Port:
    """Torch's own, as a staircase."""
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.02)
    return watched(
        optimizer, module, scheduler=torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 9], 0.1)
    )


globals().update(
    staircase=lambda: stepped(optim.Adam, schedule.ExponentialDecay(0.01, 7, 0.5, staircase=True)),
    polynomial=lambda: stepped(optim.SGD, schedule.PolynomialDecay(0.1, 200, 0.001, power=2.0)),
    inverse_time=lambda: stepped(optim.RMSprop, schedule.InverseTimeDecay(0.01, 10, 0.5)),
    piecewise=lambda: stepped(
        optim.SGD, schedule.PiecewiseConstantDecay([10, 100], [0.1, 0.03, 0.01])
    ),
)
