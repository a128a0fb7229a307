"""Numbers of Python in operations of Keras: float64 in a float64 run, float32 in a float32 run."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from small_keras import net

from parity.halves.keras import float64_numbers


@pytest.fixture(autouse=True)
def _installed():
    float64_numbers.install()
    float64_numbers.install()  # a second time changes nothing


def test_numbers_are_not_rounded_to_float32_on_the_way():
    keras.config.set_floatx("float64")
    frequencies = ops.exp(ops.linspace(ops.log(1.0), ops.log(1000.0), 4))
    np.testing.assert_allclose(frequencies, [1, 10, 100, 1000], rtol=1e-14)
    assert ops.log(ops.ones((2,), "float32")).dtype == "float32"


def test_settings_that_are_scalars_of_numpy_become_numbers_of_python():
    layer = keras.layers.Dropout(np.float32(0.3), seed=1)
    model = net(layer, optimizer=keras.optimizers.Adam(0.1, beta_1=np.float32(0.5)))
    float64_numbers.with_numbers_of_python(model)
    found = [layer.rate, model.optimizer.beta_1]
    assert (found, [*map(type, found)]) == ([float(np.float32(0.3)), 0.5], [float] * 2)
    assert (model.layers, layer.seed_generator is None) == ([layer], False)


def test_a_number_of_numpy_times_a_variable_is_computed_by_keras_in_a_graph_too():
    """As Muon does it with its momentum, which a check keeps in float64."""
    keras.config.set_floatx("float64")
    variable = keras.Variable([1.0, 2.0], dtype="float64")

    @tf.function
    def scaled():
        return np.float64(0.1) * variable, np.float64(3) - variable, np.float64(1) / variable

    assert [value.numpy().tolist() for value in scaled()] == [[0.1, 0.2], [2.0, 1.0], [1.0, 0.5]]
