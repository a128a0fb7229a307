"""Rates of a Keras optimizer as `fit` has them, and schedules that are the user's code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.float64 import is_mixed, not_followed

# --- The rates of an optimizer as the steps of `fit` have them ------------------------------------
#
# TensorFlow compiles a step, and then multiplies by the reciprocal of a constant in the place of a
# division. With decay_steps=41, a staircase falls one step later than when the schedule is called.


def has_schedule(optimizer: Any) -> bool:
    """Whether a schedule sets the learning rate."""
    return isinstance(
        getattr(optimizer, "_learning_rate", None), keras.optimizers.schedules.LearningRateSchedule
    )


def num_counted(optimizer: Any) -> int:
    """Returns the number that a schedule gets: of batches, also where gradients are added up.

    Source: keras 3.15 `optimizers/base_optimizer.py`, whose `iterations` counts updates.
    """
    return int(getattr(optimizer, "inner_optimizer", optimizer)._iterations)


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


# --- Learning rate schedules of the user's own: with a config, and in a float64 program -----------
#
# Keras asks a schedule for its config only when a model is saved, so that many have none. Code of a
# schedule often casts the step to float32, which TensorFlow does not mix with the float64 that
# numbers get in a program of float64. Such code computes in float32, as it does in the program, and
# its rate is cast. Keras 3 only.


_PLAIN = (bool, int, float, str, type(None))


def adapt(model: Any) -> None:
    """Lets the schedules in the optimizers of a model be of the user's own.

    Args:
        model: a keras.Model, which may hold optimizers as attributes.
    """
    if versions.IS_KERAS_2:
        return
    for value in (getattr(model, "optimizer", None), *vars(model).values()):
        if not isinstance(value, keras.optimizers.Optimizer):
            continue
        inner = getattr(value, "inner_optimizer", value)  # of one that scales the loss
        schedule = getattr(inner, "_learning_rate", None)
        is_schedule = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
        is_custom = is_schedule and not versions.is_from_keras(schedule)
        if is_custom and not hasattr(schedule, "_parity_in_float32"):
            _adapt(schedule)


def _adapt(schedule: Any) -> None:
    original: Any = type(schedule)

    def call(self: Any, step: Any) -> Any:
        if not self._parity_in_float32:
            try:
                with not_followed():
                    return original.__call__(self, step)
            except Exception as error:  # of the user's code
                if keras.backend.floatx() != "float64" or not is_mixed(error):
                    raise
        with _floatx("float32"), not_followed():
            rate = tf.cast(original.__call__(self, step), tf.float64)
        self._parity_in_float32 = True
        return rate

    def get_config(self: Any) -> dict[str, Any]:
        try:
            return dict(original.get_config(self))
        except NotImplementedError:
            given = attributes_of(self).items()
            return {name: value for name, value in given if isinstance(value, _PLAIN)}

    schedule._parity_in_float32 = False
    # A class of the same name: reports tell it, and Keras writes it into the config.
    names = {name: getattr(original, name) for name in ("__module__", "__qualname__", "__doc__")}
    changed = {"__call__": call, "get_config": get_config}
    schedule.__class__ = type(original.__name__, (original,), names | changed)


def class_of(schedule: Any) -> type:
    """Returns the class of a schedule as the user has written it."""
    kind = type(schedule)
    return kind.__mro__[1] if "_parity_in_float32" in vars(schedule) else kind


def attributes_of(schedule: Any) -> dict[str, Any]:
    """Returns what code of the user's has set in a schedule, by name."""
    given = vars(schedule).items()
    return {name: value for name, value in given if not name.startswith("_parity")}


@contextmanager
def _floatx(dtype: str) -> Iterator[None]:
    """Lets Keras turn numbers into tensors of a dtype."""
    before = keras.backend.floatx()
    keras.backend.set_floatx(dtype)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)
