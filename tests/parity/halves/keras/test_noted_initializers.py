"""What a layer of the user gives to `add_weight` is what its weights are judged by."""

import keras
import numpy as np
from small_keras import net

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
        self.waves = self.add_weight(shape=(4,), initializer=waves, name="waves")

    def call(self, x):
        return (x + self.token) * self.scale @ self.plain


def adapted():
    layer = keras.layers.Normalization(name="norm")
    layer.adapt(np.arange(24.0).reshape(6, 4))
    return layer


def waves(shape, dtype=None):
    return np.sin(np.arange(shape[0]))


def test_the_initialiser_of_each_weight_of_a_layer_is_known():
    with in_float64():
        model = net(adapted(), Own(name="own"), keras.layers.Dense(2, name="last"), shape=(4,))
    found = {name: each.config for name, each in all_initializers(model).items()}
    assert {name: config.get("class") for name, config in found.items() if "last" not in name} == {
        **{"own.token": "TruncatedNormal", "own.scale": "Ones", "own.plain": "GlorotUniform"},
        **{"own.count": "Zeros", "own.waves": None},
        # What was adapted began as a constant.
        **{"norm.mean": "Zeros", "norm.variance": "Ones", "norm.count": "Zeros"},
    }
    # A function of the user is an initialiser without a formula.
    assert (found["own.token"]["stddev"], found["own.waves"]) == (0.02, {})
