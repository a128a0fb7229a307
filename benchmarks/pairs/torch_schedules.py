"""Right ports of the models of `keras_schedules`."""

from __future__ import annotations

from typing import Any

from torch.optim import SGD, lr_scheduler

from benchmarks.pairs.torch_net import by_lambda, stepped, watched
from torch_impl import optim, schedule


def adam(parameters: Any) -> optim.Adam:
    """The optimizer of the models that watch a metric."""
    return optim.Adam(parameters, 0.002)


globals().update(
    # Steps torch's scheduler after every step, with the SGD of this project.
    exponential_lambda=lambda: watched(
        lambda parameters: optim.SGD(parameters, 0.1, momentum=0.9),
        by_lambda(lambda step: 0.8 ** (step / 20)),
        scheduler_interval="step",
    ),
    # Has the schedule inside the optimizer, both from this project.
    exponential=lambda: stepped(optim.SGD, schedule.ExponentialDecay(0.1, 20, 0.8), momentum=0.9),
    # Torch's StepLR, stepped after every batch.
    staircase_step_lr=lambda: watched(
        lambda parameters: optim.Adam(parameters, 0.01),
        lambda optimizer: lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.5),
        scheduler_interval="step",
    ),
    staircase=lambda: stepped(optim.Adam, schedule.ExponentialDecay(0.01, 7, 0.5, staircase=True)),
    cosine=lambda: stepped(
        optim.Adam, schedule.CosineDecay(1e-4, 400, 0.1, warmup_target=0.01, warmup_steps=9)
    ),
    cosine_restarts=lambda: stepped(
        optim.SGD, schedule.CosineDecayRestarts(0.1, 10, t_mul=2.0, m_mul=0.9, alpha=0.01)
    ),
    # Torch's own schedule and optimizer: a factor for each step.
    polynomial_torch=lambda: watched(
        lambda parameters: SGD(parameters, lr=0.1),
        by_lambda(lambda step: (0.099 * (1 - min(step, 200) / 200) ** 2 + 0.001) / 0.1),
        scheduler_interval="step",
    ),
    polynomial=lambda: stepped(optim.SGD, schedule.PolynomialDecay(0.1, 200, 0.001, power=2.0)),
    inverse_time=lambda: stepped(optim.RMSprop, schedule.InverseTimeDecay(0.01, 10, 0.5)),
    piecewise=lambda: stepped(
        optim.SGD, schedule.PiecewiseConstantDecay([10, 100], [0.1, 0.03, 0.01])
    ),
    # Uses the classes of this project.
    plateau=lambda: watched(
        adam, lambda o: schedule.ReduceLROnPlateau(o, factor=0.5, patience=3, min_lr=1e-5)
    ),
    plateau_momentum=lambda: watched(
        lambda parameters: optim.SGD(parameters, 0.03, momentum=0.9),
        lambda o: schedule.ReduceLROnPlateau(o, factor=0.5, patience=3, min_lr=1e-5),
    ),
    plateau_cooldown=lambda: watched(
        adam, lambda o: schedule.ReduceLROnPlateau(o, factor=0.3, patience=2, cooldown=3)
    ),
    # With a metric that should rise.
    plateau_accuracy=lambda: watched(
        adam,
        lambda o: schedule.ReduceLROnPlateau(
            o, factor=0.5, patience=2, mode="max", monitor="val_accuracy"
        ),
        monitor="val_accuracy",
    ),
    # Torch's own, with constants that have the same effect.
    plateau_torch=lambda: watched(
        adam,
        lambda o: lr_scheduler.ReduceLROnPlateau(
            o, factor=0.5, patience=2, threshold=1e-4, threshold_mode="abs", min_lr=1e-5, eps=0.0
        ),
    ),
    stopping=lambda: watched(
        adam, stopping=lambda module: schedule.EarlyStopping(module, patience=4, min_delta=0.001)
    ),
    stopping_and_plateau=lambda: watched(
        lambda parameters: optim.Adam(parameters, 0.01),
        lambda o: schedule.ReduceLROnPlateau(o, factor=0.2, patience=2, min_lr=1e-4),
        lambda module: schedule.EarlyStopping(module, patience=7),
    ),
    # Uses the class of this project, called before the epoch as in Keras.
    scheduler=lambda: watched(
        lambda parameters: optim.SGD(parameters, 0.02),
        lambda o: schedule.LearningRateScheduler(o, lambda epoch, rate: 0.02 * 0.7**epoch),
    ),
    # Torch's own, stepped after the epoch: its factor is 1 in the first one.
    scheduler_exponential=lambda: watched(
        lambda parameters: SGD(parameters, lr=0.02), lambda o: lr_scheduler.ExponentialLR(o, 0.7)
    ),
    # Torch's own, as a staircase.
    scheduler_steps=lambda: watched(
        lambda parameters: SGD(parameters, lr=0.02),
        lambda o: lr_scheduler.MultiStepLR(o, [3, 9], 0.1),
    ),
)
