"""Learning rates as functions of the number of earlier steps, in float32."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Sequence

import numpy as np


class ExponentialDecay:
    """start * decay_rate ** (step / decay_steps)."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.start, self.rate = initial_learning_rate, decay_rate
        self.steps, self.staircase = decay_steps, staircase

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        part = part_of(step, self.steps)
        part = np.floor(part) if self.staircase else part
        return float(np.float32(self.start) * np.float32(self.rate) ** part)


class InverseTimeDecay:
    """start / (1 + decay_rate * step / decay_steps)."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
    ) -> None:
        self.start, self.rate = initial_learning_rate, decay_rate
        self.steps, self.staircase = decay_steps, staircase

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        rate = np.float32(self.rate)
        if self.staircase:
            grown = rate * np.floor(part_of(step, self.steps))
        else:
            grown = np.float32(step) * (rate * (np.float32(1) / np.float32(self.steps)))
        return float(np.float32(self.start) / (np.float32(1) + grown))


class PolynomialDecay:
    """(start - end) * (1 - step / decay_steps) ** power + end, and then the end."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
    ) -> None:
        self.start, self.end = initial_learning_rate, end_learning_rate
        self.steps, self.power = decay_steps, power

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        start, end = np.float32(self.start), np.float32(self.end)
        left = np.float32(1) - part_of(min(step, self.steps), self.steps)
        return float((start - end) * left ** np.float32(self.power) + end)


class PiecewiseConstantDecay:
    """One rate after the other; the step of a boundary still has the earlier one."""

    def __init__(self, boundaries: Sequence[int], values: Sequence[float]) -> None:
        self.boundaries, self.values = boundaries, values

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        return float(np.float32(self.values[sum(step > b for b in self.boundaries)]))


class CosineDecay:
    """Half a cosine from the first rate to alpha times it, perhaps behind a warm-up."""

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.start, self.steps, self.alpha = initial_learning_rate, decay_steps, alpha
        self.target, self.warmup_steps = warmup_target, warmup_steps

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        start, pi = np.float32(self.start), np.float32(math.pi)
        steps = np.float32(self.steps)
        if self.target is None:
            angle = np.float32(min(step, self.steps)) * (pi * (np.float32(1) / steps))
        else:
            target = np.float32(self.target)
            if step < self.warmup_steps:
                part = np.float32(step) / np.float32(self.warmup_steps)
                return float((target - start) * part + start)
            start = target
            angle = pi * (np.float32(min(step - self.warmup_steps, self.steps)) / steps)
        wave = np.float32(0.5) * (np.float32(1) + cosine(angle))
        rest = np.float32(1 - self.alpha) * wave + np.float32(self.alpha)
        return float(start * rest)


class CosineDecayRestarts:
    """Half a cosine that begins again, t_mul times as long and m_mul times as high."""

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
    ) -> None:
        self.start, self.steps, self.alpha = (
            initial_learning_rate,
            first_decay_steps,
            alpha,
        )
        self.t_mul, self.m_mul = t_mul, m_mul

    def __call__(self, step: int) -> float:
        """Returns the rate of a step, counted from 0."""
        one, start = np.float32(1), np.float32(self.start)
        alpha, t_mul, m_mul = (
            np.float32(x) for x in (self.alpha, self.t_mul, self.m_mul)
        )
        part = part_of(step, self.steps)
        if t_mul == 1:
            restart = np.floor(part)
            part = part - restart
        else:
            grown = logarithm(one - part * (one - t_mul)) * (one / logarithm(t_mul))
            restart = np.floor(grown)
            part = part - (one - t_mul**restart) * (one / (one - t_mul))
            part = part / t_mul**restart
        height = np.float32(0.5) * m_mul**restart
        wave = one + cosine(np.float32(math.pi) * part)
        if alpha:
            return float(start * ((one - alpha) * height * wave + alpha))
        return float(start * height * wave)


def cosine(angle: np.float32) -> np.float32:
    """Returns the cosine of the C library, which is TensorFlow's.

    Near the end of half a cosine, its last bit is seen in the rate.
    """
    return of_library("cosf", math.cos, angle)


def logarithm(value: np.float32) -> np.float32:
    """Returns the logarithm of the C library, which is TensorFlow's.

    Its last bit decides at which step a cosine begins again.
    """
    return of_library("logf", math.log, value)


def of_library(
    name: str, otherwise: Callable[[float], float], value: np.float32
) -> np.float32:
    """Returns what a function of the C library makes of a number in float32."""
    try:
        function = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # of a system without one
        return np.float32(otherwise(float(value)))
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    return np.float32(function(float(value)))


def part_of(step: int, steps: int) -> np.float32:
    """Returns step / steps; the graph of Keras multiplies by the reciprocal."""
    return np.float32(np.float32(step) * (np.float32(1) / np.float32(steps)))
