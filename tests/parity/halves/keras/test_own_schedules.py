"""Schedules of the user's own run in a float64 program, and have a config."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from rows import each_row
from small_keras import net

from parity.halves.keras.factories import call_factory

Schedule = keras.optimizers.schedules.LearningRateSchedule


class Warm(Schedule):
    """Casts to float32, and has no config: as many programs do."""

    def __init__(self, size, warmup):
        self.size = tf.cast(size, tf.float32)
        self.warmup = warmup

    def __call__(self, step):
        step = tf.cast(step, tf.float32) + 1.0
        return tf.math.rsqrt(self.size) * tf.minimum(step**-0.5, step * self.warmup**-1.5)


class Powers(Schedule):
    """Numbers of Python become float64 in a float64 program, and meet a float32 step."""

    def __call__(self, step):
        return keras.ops.power(2.0, -1.0) / keras.ops.cast(step + 1, "float32")

    def get_config(self):
        return {"mine": 1}


class Exact(Schedule):
    """Computes in whatever Keras makes of numbers."""

    def __call__(self, step):
        return 1.0 / (3.0 + keras.ops.cast(step, keras.config.floatx()))


def optimizer_of(schedule, dtype="float64"):
    def build():
        return net(keras.layers.Dense(1), optimizer=keras.optimizers.SGD(schedule))

    return call_factory(build, 0, dtype).model.optimizer


@each_row(
    "schedule, rate, dtype",
    [
        (Warm(16, 4), lambda step: 0.25 * min((step + 1) ** -0.5, (step + 1) / 8), tf.float32),
        (Powers(), lambda step: 0.5 / (step + 1), tf.float64),
    ],
)
def test_code_in_float32_runs_whether_it_mixes_that_with_float64_or_not(schedule, rate, dtype):
    found = optimizer_of(schedule)._learning_rate
    for step in (0, 1, 7, 100):
        made = found(tf.Variable(step, dtype=tf.int64))
        near = pytest.approx(rate(step), rel=5e-7)  # four units of float32
        assert (made.dtype, float(made)) == (dtype, near)
        assert float(made) == float(np.float32(made))
    assert keras.config.floatx() == "float64"


def test_code_that_does_not_mix_keeps_its_precision_and_a_float32_program_is_left_as_it_is():
    assert float(optimizer_of(Exact())._learning_rate(0)) == 1 / 3 != float(np.float32(1 / 3))
    assert optimizer_of(Powers(), "float32")._learning_rate(1).dtype == tf.float32


def test_a_config_is_that_of_the_user_or_the_plain_attributes():
    assert optimizer_of(Powers())._learning_rate.get_config() == {"mine": 1}
    told = optimizer_of(Warm(16, 4)).get_config()["learning_rate"]
    assert (told["class_name"], told["config"]) == ("Warm", {"warmup": 4})


def test_what_else_goes_wrong_in_a_schedule_is_raised_as_it_is():
    broken = type("Broken", (Schedule,), {"__call__": lambda self, step: 1 / 0})
    with pytest.raises(ZeroDivisionError):
        optimizer_of(broken())._learning_rate(0)
