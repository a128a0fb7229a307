"""Grouped convolutions that are compiled once give Keras's numbers, bit by bit."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.grouped_convolutions import grouped_convolutions_compiled_once

L = keras.layers
NN = importlib.import_module("keras.src.backend.tensorflow.nn")
LAYERS = {
    "depthwise": lambda: L.Conv2D(6, 3, padding="same", groups=6),
    "groups": lambda: L.Conv2D(4, (3, 2), strides=2, groups=2),
    "dilated": lambda: L.Conv2D(6, 3, dilation_rate=2, groups=3),
    "signal": lambda: L.Conv1D(6, 3, groups=2),
    "causal": lambda: L.Conv1D(6, 3, padding="causal", groups=2),
    "plain": lambda: L.Conv2D(5, 3),
}


def passed(layer, x):
    """Output and gradients of a pass in eager mode."""
    with tf.GradientTape() as tape:
        tape.watch(x)
        output = layer(x)
        loss = tf.reduce_sum(output**2)
    sources = [x, *(versions.tensor_of(variable) for variable in layer.trainable_variables)]
    return [output, *tape.gradient(loss, sources)]


@pytest.fixture
def traced(monkeypatch):
    """How often TensorFlow's convolution is called, where code of Keras is traced or run."""
    calls, own = [], tf.nn.convolution

    def counted(*arguments, **keywords):
        calls.append(arguments[0].shape)
        return own(*arguments, **keywords)

    monkeypatch.setattr(tf.nn, "convolution", counted)
    return calls


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_and_gradients_are_kerass_own(name):
    versions.use_dtype("float64")
    layer = LAYERS[name]()
    shape = (2, 9, 6) if isinstance(layer, L.Conv1D) else (2, 9, 8, 6)
    x = tf.constant(np.random.default_rng(0).normal(size=shape))
    layer.build(x.shape)
    expected = passed(layer, x)
    with grouped_convolutions_compiled_once():
        found = [passed(layer, x) for _ in range(2)]
    for each in found:
        for ours, theirs in zip(each, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_calls_of_the_same_settings_and_shapes_share_what_is_compiled(traced):
    versions.use_dtype("float64")
    layers = [L.Conv2D(6, 3, padding="same", groups=6) for _ in range(3)]
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 9, 8, 6)))
    with grouped_convolutions_compiled_once():
        for _ in range(2):
            for layer in layers:
                layer(x)
        assert len(traced) == 1
        layers[0](x[:1])
        assert len(traced) == 2
    traced.clear()
    for _ in range(2):
        layers[0](x)
    assert len(traced) == 2


def test_behind_the_block_keras_has_its_own_function():
    before = NN.conv
    with grouped_convolutions_compiled_once():
        assert NN.conv is not before
    assert NN.conv is before
