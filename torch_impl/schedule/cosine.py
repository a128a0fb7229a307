"""Rates that fall along a cosine: once, after an optional warm-up, or repeatedly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torch_impl.c_library import cosine, logarithm
from torch_impl.schedule.base import Formula, check_positive, over, through_float32


class CosineDecay(Formula):
    """Half a cosine from the first rate to `alpha` times that rate, after an optional warm-up.

        fraction = (step - warmup_steps) / decay_steps, up to 1
        rate = start * ((1 - alpha) * 0.5 * (1 + cos(pi * fraction)) + alpha)

    Here start is `warmup_target`, to which the rate rises in a straight line from
    `initial_learning_rate` in warmup_steps. Without a target, start is the initial rate and there
    is no warm-up.

    Differs from torch.optim.lr_scheduler.CosineAnnealingLR in:
    1. alpha is a fraction of the first rate; torch takes a rate;
    2. after decay_steps the rate stays; torch's rises again;
    3. there is a warm-up;
    4. it is computed directly from the step, not from the last rate, and in float32, with the
       cosine of the C library, as TensorFlow does.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: number of steps from the first rate to the last; greater than 0.
        alpha: the last rate, as a fraction of the first.
        warmup_target: rate at the end of the warm-up; None for no warm-up.
        warmup_steps: number of steps of the warm-up.

    Raises:
        ValueError: decay_steps is not greater than 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.alpha = decay_steps, alpha
        self.warmup_target, self.warmup_steps = warmup_target, warmup_steps

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        steps, start = number(self.decay_steps), number(self.initial_learning_rate)
        pi = number(math.pi)
        if self.warmup_target is not None:  # a branch of a graph is given steps as a variable
            target = through_float32(self.warmup_target, number)
            if step < self.warmup_steps:  # (3)
                return (target - start) * (step / number(self.warmup_steps)) + start
            start, step = target, step - number(self.warmup_steps)
            angle = pi * (min(step, steps) / steps)
        else:
            angle = over(min(step, steps), steps, compiled=compiled, factor=pi)
        wave = number(0.5) * (number(1) + cosine(angle))  # (2)
        # Only alpha is not rounded to float32 first.
        return start * (number(1 - self.alpha) * wave + number(self.alpha))  # (1)


class CosineDecayRestarts(Formula):
    """Half a cosine from the first rate to `alpha` times it, then restarts at m_mul times the rate.

    The first half cosine takes first_decay_steps, each next one t_mul times as many as the last.

    Differs from torch.optim.lr_scheduler.CosineAnnealingWarmRestarts in:
    1. t_mul is 2 by default, not 1, and can be any number;
    2. each restart begins at m_mul times the rate of the last, but alpha does not change;
    3. alpha is a fraction of the first rate; torch takes a rate;
    4. it is computed directly from the step, and in float32. The number of the restart comes from
       two logarithms, whose rounding can make it wrong at the step of a restart, as in Keras.
       Cosines and logarithms are those of the C library, as TensorFlow's are.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        first_decay_steps: greater than 0.
        t_mul: factor of the number of steps from one restart to the next.
        m_mul: factor of the rate at each restart.
        alpha: the last rate, as a fraction of the first.

    Raises:
        ValueError: first_decay_steps is not greater than 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,  # (1)
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        check_positive("first_decay_steps", first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul, self.m_mul, self.alpha = t_mul, m_mul, alpha

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        one = number(1)
        alpha, t_mul, m_mul = (
            through_float32(value, number) for value in (self.alpha, self.t_mul, self.m_mul)
        )
        fraction = over(step, number(self.first_decay_steps), compiled=compiled)
        if t_mul == 1:
            restart = np.floor(fraction)
            fraction = fraction - restart
        else:
            grown = logarithm(one - fraction * (one - t_mul))
            restart = np.floor(over(grown, logarithm(t_mul), compiled=compiled))  # (4)
            before = over(one - t_mul**restart, one - t_mul, compiled=compiled)
            fraction = (fraction - before) / t_mul**restart
        height = number(0.5) * m_mul**restart  # (2)
        wave = one + cosine(number(math.pi) * fraction)
        start = number(self.initial_learning_rate)
        if not compiled:
            return start * ((one - alpha) * (height * wave) + alpha)  # (3)
        # A graph multiplies constants first, also the rate if no sum is in between.
        if alpha:
            return start * ((one - alpha) * height * wave + alpha)
        return start * height * wave
