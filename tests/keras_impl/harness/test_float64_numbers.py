"""Numbers of Python in operations of Keras: float64 in a float64 run, float32 in a float32 run."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_impl.harness import float64_numbers


@pytest.fixture(autouse=True)
def _installed():
    before = keras.config.floatx()
    float64_numbers.install()
    float64_numbers.install()  # a second time changes nothing
    yield
    keras.config.set_floatx(before)


def frequencies():
    return ops.exp(ops.linspace(ops.log(1.0), ops.log(1000.0), 4))


def test_numbers_are_not_rounded_to_float32_on_the_way():
    keras.config.set_floatx("float64")
    np.testing.assert_allclose(frequencies(), [1, 10, 100, 1000], rtol=1e-14)
    assert ops.log(ops.ones((2,), "float32")).dtype == "float32"


def test_a_float32_run_is_as_before():
    keras.config.set_floatx("float32")
    assert ops.log(1000.0).dtype == frequencies().dtype == "float32"
