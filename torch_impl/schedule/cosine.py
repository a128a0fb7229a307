"""Rates that fall along a cosine: once, after a warm-up, or again and again."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from torch_impl.schedule.base import LearningRateSchedule, check_positive, through_float32


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the first rate to `alpha` of it, after an optional rise to that rate.

        fraction = (step - warmup_steps) / decay_steps, up to 1
        rate = start * ((1 - alpha) * 0.5 * (1 + cos(pi * fraction)) + alpha)

    Here start is `warmup_target`, up to which the rate rises in a straight line from
    `initial_learning_rate` in warmup_steps; without a target start is the initial rate, and there
    is no warm-up.

    Differs from torch.optim.lr_scheduler.CosineAnnealingLR in:
    1. alpha is a part of the first rate, where torch has a rate;
    2. after decay_steps the rate stays, where torch's rises again;
    3. there is a warm-up;
    4. it is computed from the step at once, not from the last rate, and in float32. Its cosine is
       rounded correctly, TensorFlow's is now and then one unit in the last place off it.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: number of steps from the first rate to the last; greater than 0.
        alpha: the last rate, as a part of the first.
        warmup_target: rate at the end of the warm-up; None for no warm-up.
        warmup_steps: number of steps of the warm-up.

    Raises:
        ValueError: for decay_steps that are not greater than 0.
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

    def _rate(self, step: Any, number: Any) -> Any:
        steps, start = number(self.decay_steps), number(self.initial_learning_rate)
        if self.warmup_target is not None:
            target = through_float32(self.warmup_target, number)
            if step < self.warmup_steps:  # (3)
                return (target - start) * (step / number(self.warmup_steps)) + start
            start, step = target, step - number(self.warmup_steps)
        wave = number(0.5) * (number(1) + _cosine(min(step, steps) / steps, number))  # (2)
        # Other than the rest, alpha is not rounded to float32 first.
        return start * (number(1 - self.alpha) * wave + number(self.alpha))  # (1)


class CosineDecayRestarts(LearningRateSchedule):
    """Half a cosine from the first rate to `alpha` of it, and then anew from m_mul times the rate.

    The first takes first_decay_steps, each of the next t_mul times as many as the one before.

    Differs from torch.optim.lr_scheduler.CosineAnnealingWarmRestarts in:
    1. t_mul is 2 by default, not 1, and can be any number;
    2. each restart is at m_mul times the rate of the last, but alpha stays what it is;
    3. alpha is a part of the first rate, where torch has a rate;
    4. it is computed from the step at once and in float32. Which restart a step belongs to comes
       out of two logarithms, which rounding can make wrong at the step of a restart, as in Keras.
       Cosines and logarithms are rounded correctly, TensorFlow's are now and then one unit in the
       last place off.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        first_decay_steps: greater than 0.
        t_mul: factor of the number of steps from one restart to the next.
        m_mul: factor of the rate at each restart.
        alpha: the last rate, as a part of the first.

    Raises:
        ValueError: for first_decay_steps that are not greater than 0.
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

    def _rate(self, step: Any, number: Any) -> Any:
        one = number(1)
        alpha, t_mul, m_mul = (
            through_float32(value, number) for value in (self.alpha, self.t_mul, self.m_mul)
        )
        fraction = step / number(self.first_decay_steps)
        if t_mul == 1:
            restart = np.floor(fraction)
            fraction = fraction - restart
        else:
            grown = _logarithm(one - fraction * (one - t_mul), number)
            restart = np.floor(grown / _logarithm(t_mul, number))  # (4)
            before = (one - t_mul**restart) / (one - t_mul)
            fraction = (fraction - before) / t_mul**restart
        wave = number(0.5) * m_mul**restart * (one + _cosine(fraction, number))  # (2)
        return number(self.initial_learning_rate) * ((one - alpha) * wave + alpha)  # (3)


def _cosine(fraction: Any, number: Any) -> Any:
    """Cos(pi * fraction), rounded once: NumPy's own of float32 is off more often."""
    return number(math.cos(float(number(math.pi) * fraction)))


def _logarithm(value: Any, number: Any) -> Any:
    """Log(value), rounded once; NaN where there is none."""
    return number(math.log(float(value)) if value > 0 else math.nan)
