"""The rates of an optimizer as the steps of `fit` have them.

TensorFlow compiles a step, and then multiplies by the reciprocal of a constant in the place of a
division. With decay_steps=41, a staircase falls one step later than when the schedule is called.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def has_schedule(optimizer: Any) -> bool:
    """Whether a schedule sets the learning rate."""
    return isinstance(
        getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    )


class CompiledRate:
    """The rates of a schedule in a compiled step.

    Args:
        schedule: a LearningRateSchedule of Keras, or one of the user's own.
    """

    def __init__(self, schedule: Any) -> None:
        self._step = tf.Variable(0, dtype=tf.int64)
        self._rate = tf.function(lambda: schedule(self._step), jit_compile=False)

    def __call__(self, step: int) -> float:
        """Returns the rate after so many steps."""
        self._step.assign(step)
        return float(self._rate())


class StepRates:
    """The rates with which the steps of an optimizer are made."""

    def __init__(self) -> None:
        self._compiled: CompiledRate | None = None

    def of_step(self, optimizer: Any, number: int) -> float:
        """Returns the rate of a step: that of the schedule, or the present one.

        Args:
            optimizer: always the same one.
            number: of the steps before.
        """
        if not has_schedule(optimizer):
            return float(np.asarray(optimizer.learning_rate))
        if self._compiled is None:
            self._compiled = CompiledRate(optimizer._learning_rate)
        return self._compiled(number)
