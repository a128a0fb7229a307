"""Inside of a model, layers that prepare data get numbers as in the graph of `fit`."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L
from own_classes import own_class
from rows import each_row
from small_keras import net

from parity.halves.keras import kernels

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 7, 6, 3))


# Resizes in code of its own.
Inside = own_class(lambda self, x: self.resized(x), keras.Model, resized=lambda: L.Resizing(4, 5))


def around(layer):
    """A model of a layer, by the dtype of its images."""
    return lambda dtype: net(layer(), shape=IMAGES.shape[1:], dtype=dtype)


@each_row("dtype", ["uint8", "int32", "bool"])
@each_row(
    "make",
    [
        around(lambda: L.Resizing(4, 5)),
        around(lambda: L.Pipeline([L.CenterCrop(5, 5), L.Resizing(4, 5)])),
        lambda dtype: Inside(),
    ],
)
def test_a_model_called_eagerly_gives_what_its_graph_gives(make, dtype):
    model, images = make(dtype), tf.constant(IMAGES.astype(dtype))
    expected = tf.function(lambda x: model(x))(images)
    kernels.install()
    kernels.install()  # a second time changes nothing
    found = model(images)
    assert found.dtype == expected.dtype == "float32"
    np.testing.assert_array_equal(found, expected)


def test_a_layer_that_is_called_by_itself_keeps_whole_numbers():
    layer, images = L.Resizing(4, 5), IMAGES.astype("uint8")
    before = layer(images)
    kernels.install()
    np.testing.assert_array_equal(layer(images), before)
    assert layer(images).dtype == "uint8"
