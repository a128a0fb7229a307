"""Rates that fall by a formula of the step or along a cosine, and rates from a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from torch_impl.c_library import cosine, logarithm
from torch_impl.schedule.base import (
    Formula,
    LearningRateSchedule,
    check_positive,
    over,
    through_float32,
)

# --- Rates that fall along a cosine: once, after an optional warm-up, or repeatedly ---------------


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


# --- Rates that fall by a formula of the step, and rates from a table -----------------------------


class _Decay(Formula):
    """Base of the decays with a decay_rate for each decay_steps."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.decay_rate = decay_steps, decay_rate
        self.staircase = staircase


class ExponentialDecay(_Decay):
    """rate = initial_learning_rate * decay_rate ** (step / decay_steps), bit for bit.

    Differs from torch.optim.lr_scheduler.ExponentialLR in:
    1. the rate falls by decay_rate over decay_steps steps, not in each;
    2. it is computed directly from the step, not from the last rate, and in float32.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: greater than 0.
        decay_rate: factor for each decay_steps.
        staircase: whether step / decay_steps is rounded down.

    Raises:
        ValueError: decay_steps is not greater than 0.
    """

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        part = over(step, number(self.decay_steps), compiled=compiled)
        if self.staircase:
            part = np.floor(part)
        factor = through_float32(self.decay_rate, number) ** part  # (1) (2)
        return number(self.initial_learning_rate) * factor


class InverseTimeDecay(_Decay):
    """rate = initial_learning_rate / (1 + decay_rate * step / decay_steps), bit for bit.

    torch has none. Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: greater than 0.
        decay_rate: by how much the divisor grows in each decay_steps.
        staircase: whether step / decay_steps is rounded down.

    Raises:
        ValueError: decay_steps is not greater than 0.
    """

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        steps, rate = number(self.decay_steps), through_float32(self.decay_rate, number)
        if self.staircase:
            part = rate * np.floor(over(step, steps, compiled=compiled))
        else:
            part = over(step, steps, compiled=compiled, factor=rate)
        return number(self.initial_learning_rate) / (number(1) + part)


class PolynomialDecay(Formula):
    """rate = (initial - end) * (1 - step / decay_steps) ** power + end, bit for bit.

    After decay_steps the rate stays at its end. With `cycle`, decay_steps is then doubled, tripled,
    ..., so that the rate jumps up.

    Differs from torch.optim.lr_scheduler.PolynomialLR in:
    1. the rate falls to end_learning_rate, which is 0.0001 and not 0 by default;
    2. it is computed directly from the step, not from the last rate, and in float32.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        initial_learning_rate: rate of step 0.
        decay_steps: greater than 0.
        end_learning_rate: rate after decay_steps.
        power: 1 for a straight line.
        cycle: whether the rate rises again after decay_steps.

    Raises:
        ValueError: decay_steps is not greater than 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,  # (1)
        power: float = 1.0,
        cycle: bool = False,
    ) -> None:
        check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps, self.end_learning_rate = decay_steps, end_learning_rate
        self.power, self.cycle = power, cycle

    def _formula(self, step: Any, number: Any, *, compiled: bool) -> Any:
        steps = number(self.decay_steps)
        if self.cycle:  # then the divisor is no constant
            number_of = np.ceil(over(step, steps, compiled=compiled)) if step else number(1)
            part = step / (steps * number_of)
        else:
            part = over(min(step, steps), steps, compiled=compiled)
        end = through_float32(self.end_learning_rate, number)
        factor = _power(number(1) - part, through_float32(self.power, number), compiled)  # (2)
        return (number(self.initial_learning_rate) - end) * factor + end  # (1)


def _power(base: Any, exponent: Any, compiled: bool) -> Any:
    """Returns base ** exponent; a graph has another operation for some exponents."""
    if compiled and exponent == 0.5:
        return np.sqrt(base)
    if compiled and exponent == 2:
        return base * base
    return base**exponent


class PiecewiseConstantDecay(LearningRateSchedule):
    """rate = values[i] for boundaries[i - 1] < step <= boundaries[i].

    Differs from torch.optim.lr_scheduler.MultiStepLR in:
    1. the step that equals a boundary still has the rate before the boundary;
    2. it takes rates, not factors.

    Source: keras 3.15 `optimizers/schedules/learning_rate_schedule.py`.

    Args:
        boundaries: steps, rising whole numbers; at least one.
        values: rates, one more than boundaries.

    Raises:
        ValueError: the number of values is wrong, or boundaries are not whole numbers or do not
            rise; Keras would cut off their fractions and add rates.
    """

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        if not boundaries or len(boundaries) != len(values) - 1:
            raise ValueError(
                f"{len(boundaries)} boundaries and {len(values)} values: expected at least one "
                "boundary and one value more"
            )
        if list(boundaries) != sorted({int(boundary) for boundary in boundaries}):
            raise ValueError(f"boundaries={boundaries!r}: expected rising whole numbers")
        self.boundaries, self.values = list(boundaries), list(values)

    def _rate(self, step: Any, number: Any) -> Any:
        return number(self.values[int(np.searchsorted(self.boundaries, step))])  # (1) (2)
