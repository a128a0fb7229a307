"""Grouped convolutions in a fraction of the time give Keras's numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from bench_children import collected
from rows import each_row

from parity.halves.keras import versions
from parity.halves.keras.kernels import quick_grouped_convolutions

L = keras.layers
LAYERS = {
    "depthwise": lambda: L.Conv2D(6, 3, padding="same", groups=6),
    "depthwise_strided": lambda: L.Conv2D(6, 3, strides=2, padding="same", groups=6),
    "depthwise_of_many": lambda: L.Conv2D(12, (3, 2), groups=6),
    "depthwise_dilated": lambda: L.Conv2D(6, 3, dilation_rate=2, padding="same", groups=6),
    "depthwise_uneven": lambda: L.Conv2D(6, 3, strides=(2, 1), padding="same", groups=6),
    "groups": lambda: L.Conv2D(4, (3, 2), strides=2, groups=2),
    "dilated": lambda: L.Conv2D(6, 3, dilation_rate=2, groups=3),
    "first": lambda: L.Conv2D(4, 3, padding="same", groups=2, data_format="channels_first"),
    "signal": lambda: L.Conv1D(6, 3, groups=2),
    "causal": lambda: L.Conv1D(6, 3, padding="causal", groups=2),
    "volume": lambda: L.Conv3D(6, 2, groups=3),
    "plain": lambda: L.Conv2D(5, 3),
}
SHAPES = {L.Conv1D: (2, 9, 6), L.Conv2D: (2, 6, 8, 6), L.Conv3D: (2, 4, 3, 5, 6)}


def passed(layer, x):
    """Output and gradients of a pass in eager mode."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x)
        loss = tf.reduce_sum(output**2)
    sources = [x, *(versions.tensor_of(variable) for variable in layer.trainable_variables)]
    return [output, *tape.gradient(loss, sources)]


@each_row("name", LAYERS)
def test_outputs_and_gradients_are_kerass_own(name):
    """In float64, sums are in another order: of at most 27 products, with the last bit of 1 each.

    In float32 they are the same bit by bit.
    """
    for dtype, bits in (("float32", 0), ("float64", 27 * 2**-52)):
        versions.use_dtype(dtype)
        layer = LAYERS[name]()
        x = tf.constant(np.random.default_rng(0).normal(size=SHAPES[type(layer)]), dtype)
        expected = passed(layer, x)
        with quick_grouped_convolutions():
            found = [*passed(layer, x), *passed(layer, x)]
        for ours, theirs in zip(found, 2 * expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=bits * np.abs(theirs).max())


def test_in_float32_calls_of_the_same_settings_and_shapes_share_what_is_compiled(monkeypatch):
    """TensorFlow's convolution is called where code of Keras is traced or run."""
    versions.use_dtype("float32")
    traced = collected(monkeypatch, tf.nn, "convolution")
    layers = [L.Conv2D(6, 3, padding="same", groups=6) for _ in range(3)]
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 9, 8, 6)), "float32")
    with quick_grouped_convolutions():
        for layer in layers * 2:
            layer(x)
        assert len(traced) == 1
        layers[0](x[:1])
    assert len(traced) == 2
    for _ in range(2):
        layers[0](x)
    assert len(traced) == 4


def test_an_empty_output_is_refused_as_in_keras():
    x, kernel = tf.zeros((1, 3, 3, 2), "float64"), tf.zeros((4, 4, 1, 4), "float64")
    with quick_grouped_convolutions(), pytest.raises(ValueError, match="Negative dimension"):
        keras.ops.conv(x, kernel)
