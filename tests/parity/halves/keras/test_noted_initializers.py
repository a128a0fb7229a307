"""What a layer of the user gives to `add_weight` is what its weights are judged by."""

import keras
import numpy as np
import pytest

from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.weights import all_initializers


class Own(keras.layers.Layer):
    """A layer with a weight of each way of naming an initialiser; none is an attribute."""

    def build(self, shape):
        truncated = keras.initializers.TruncatedNormal(stddev=0.02)
        self.token = self.add_weight(shape=(4,), initializer=truncated, name="token")
        self.scale = self.add_weight((4,), "ones", name="scale")
        self.plain = self.add_weight(shape=(4, 4), name="plain")
        self.count = self.add_weight(shape=(), dtype="int64", trainable=False, name="count")

    def call(self, x):
        return (x + self.token) * self.scale @ self.plain


@pytest.fixture
def model():
    with in_float64():
        return keras.Sequential(
            [keras.Input((4,)), Own(name="own"), keras.layers.Dense(2, name="last")]
        )


def test_the_initialiser_of_each_weight_of_a_layer_of_the_user_is_known(model):
    found = {name: each.config["class"] for name, each in all_initializers(model).items()}
    own = {name: kind for name, kind in found.items() if name.startswith("own.")}
    assert own == {
        "own.token": "TruncatedNormal",
        "own.scale": "Ones",
        "own.plain": "GlorotUniform",
        "own.count": "Zeros",
    }
    assert all_initializers(model)["own.token"].config["stddev"] == 0.02


def test_what_was_adapted_began_as_a_constant():
    with in_float64():
        layer = keras.layers.Normalization()
        layer.adapt(np.arange(12.0).reshape(6, 2))
        model = keras.Sequential([keras.Input((2,)), layer])
    found = {name: each.config["class"] for name, each in all_initializers(model).items()}
    assert {name.partition(".")[2]: kind for name, kind in found.items()} == {
        "mean": "Zeros",
        "variance": "Ones",
        "count": "Zeros",
    }


def test_a_function_of_the_user_is_an_initialiser_without_a_formula():
    class Waves(keras.layers.Layer):
        def build(self, shape):
            waves = lambda shape, dtype=None: np.sin(np.arange(shape[0]))  # noqa: E731
            self.waves = self.add_weight(shape=(4,), initializer=waves, name="waves")

        def call(self, x):
            return x + self.waves

    with in_float64():
        model = keras.Sequential([keras.Input((4,)), Waves(name="own")])
    assert all_initializers(model)["own.waves"].config == {}
