"""What is watched of a Keras model: the trace contract of layers, of their parts, and of masks.

Watching changes nothing that a model computes, and leaves nothing behind.
"""

from contextlib import nullcontext
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_classes import own_class
from rows import each_row
from small_keras import graph

from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.kinds import perturb_scale, scale_of

L = keras.layers
CLASS_CALLS = keras.Layer.__call__, keras.Operation.__call__


pytestmark = pytest.mark.usefixtures("in_float64")


def draw(*shape):
    return tf.constant(np.random.default_rng(0).normal(size=shape))


def as_arrays(tensors):
    return [np.asarray(each) for each in tensors]


IMAGES, STEPS = draw(3, 9, 7, 2), draw(4, 5, 6)


def sequential():
    return keras.Sequential(
        [
            keras.Input((9, 7, 2)),
            L.Conv2D(4, 3, activation="relu", name="conv"),
            L.BatchNormalization(name="norm"),
            L.Dropout(0.4, name="drop"),
            L.Flatten(name="flat"),
            L.Dense(5, activation="softmax", name="dense"),
        ]
    )


def shared():
    """A layer that is called twice, an operation that is no layer, and a nested model."""
    x = keras.Input((9, 7, 2))
    conv = L.Conv2D(2, 3, padding="same", activation="tanh", name="conv")
    drop, flat = L.Dropout(0.3, name="drop"), L.Flatten(name="flat")
    inner = keras.Sequential([keras.Input((9, 7, 2)), drop, flat])
    y = keras.ops.add(conv(x), conv(conv(x)))
    return keras.Model(x, L.Dense(3, name="dense")(inner(y)))


def convolved(self, x, training=None):
    x = self.drop(keras.activations.relu(self.conv(x)), training=training)
    return self.dense(keras.ops.mean(x, axis=(1, 2)))


Subclassed = own_class(
    convolved,
    keras.Model,
    conv=lambda: L.Conv2D(3, 3, name="conv"),
    drop=lambda: L.SpatialDropout2D(0.5, name="drop"),
    dense=lambda: L.Dense(2, name="dense"),
)


def attention(*, causal=False, **options):
    def run(x):
        layer = L.MultiHeadAttention(2, 3, seed=1, name="attn", **options)
        return layer(x, x, use_causal_mask=causal)

    return lambda: graph(run, (5, 6))


PROJECTED = [(f"attn.{name}", "dense", [-1]) for name in ("query", "key", "value")]
PROJECTED += [("attn.softmax", "attention", [0, 1])]
DROP, SEEDED = {"dropout": 0.5, "seed": 3}, {"seed": 3, "name": "memory"}


def stacked():
    cells = [L.LSTMCell(4, name="a"), L.GRUCell(3, name="b"), L.SimpleRNNCell(2, name="c")]
    return L.RNN(cells, name="memory", go_backwards=True, return_state=True)


def gates(kind, names):
    """Dropouts of ones, for each gate."""
    return [(f"memory.{kind}.{gate}", "dropout", [None]) for gate in names]


# What is watched -> a model, its input, and (name, kind, calls that its inputs come from) of calls.
MODELS = {
    "sequential": (
        *(sequential, IMAGES),
        [
            *[("conv", "conv", [-1]), ("conv.activation", "activation:relu", [0])],
            *[("norm", "batch_norm", [1]), ("drop", "dropout", [2]), ("flat", "flatten", [3])],
            *[("dense", "dense", [4]), ("dense.activation", "activation:softmax", [5])],
        ],
    ),
    "shared": (
        *(shared, IMAGES),
        [
            *[("conv", "conv", [-1]), ("conv.activation", "activation:tanh", [0])],
            *[("conv#2", "conv", [-1]), ("conv#2.activation", "activation:tanh", [2])],
            *[("conv#3", "conv", [3]), ("conv#3.activation", "activation:tanh", [4])],
            *[("add", "add", [1, 5]), ("drop", "dropout", [6]), ("flat", "flatten", [7])],
            ("dense", "dense", [8]),
        ],
    ),
    "subclassed": (
        *(Subclassed, IMAGES),
        [("conv", "conv", [-1]), ("drop", "dropout", [None]), ("dense", "dense", [None])],
    ),
    "attention": (
        *(attention(), STEPS),
        [*PROJECTED, ("attn.attention_output", "dense", [3, 2])],
    ),
    "attention that drops": (
        *(attention(causal=True, dropout=0.4), STEPS),
        [
            *(*PROJECTED, ("attn.dropout", "dropout", [3])),
            ("attn.attention_output", "dense", [4, 2]),
        ],
    ),
    # What has no parts of a port is one call.
    "attention with a gate": (
        *(attention(use_gate=True), STEPS),
        [("attn", "unknown:MultiHeadAttention", [-1, -1])],
    ),
    "attention of another shape": (
        *(attention(output_shape=(2, 3)), STEPS),
        [("attn", "unknown:MultiHeadAttention", [-1, -1])],
    ),
    # One mask for all gates is a dropout of the input.
    "lstm": (
        *(lambda: L.LSTM(4, dropout=0.5, **SEEDED), STEPS),
        [("memory.dropout", "dropout", [-1]), ("memory", "lstm", [0])],
    ),
    "lstm of states": (
        *(lambda: L.LSTM(4, recurrent_dropout=0.5, **SEEDED), STEPS),
        [*gates("recurrent_dropout", "ifco"), ("memory", "lstm", [-1])],
    ),
    "gru of both": (
        *(lambda: L.GRU(4, dropout=0.3, recurrent_dropout=0.5, **SEEDED), STEPS),
        [*gates("dropout", "zrh"), *gates("recurrent_dropout", "zrh"), ("memory", "gru", [-1])],
    ),
    "simple rnn of both": (
        *(lambda: L.SimpleRNN(4, dropout=0.3, recurrent_dropout=0.5, **SEEDED), STEPS),
        [
            *[("memory.dropout", "dropout", [-1]), ("memory.recurrent_dropout", "dropout", [None])],
            ("memory", "simple_rnn", [0]),
        ],
    ),
    # Both directions have masks of their own without a seed, and the same with one.
    "directions": (
        *(lambda: L.Bidirectional(L.LSTM(4, dropout=0.5, name="lstm"), name="both"), STEPS),
        [
            *[(f"both.{way}_lstm.dropout", "dropout", [None]) for way in ("forward", "backward")],
            ("both", "bidirectional", [-1]),
        ],
    ),
    "directions with a seed": (
        *(lambda: L.Bidirectional(L.LSTM(4, **DROP), name="both"), STEPS),
        [("both.dropout", "dropout", [-1]), ("both", "bidirectional", [0])],
    ),
    # A rate of 1 drops nothing of cells with gates.
    "all of an lstm": (
        *(lambda: L.LSTM(4, dropout=1.0, name="memory"), STEPS),
        [("memory", "lstm", [-1])],
    ),
    "cells": (
        *(stacked, STEPS),
        [("memory.a", "lstm", [-1]), ("memory.b", "gru", [0]), ("memory.c", "simple_rnn", [1])],
    ),
}


def passed(name, *, training, is_watched):
    """Outputs, gradients and the state of a new model after two passes; calls of the second."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    make, x, _ = MODELS[name]
    model, found = make(), []
    model(x, training=False)
    for _ in range(2):
        with tf.GradientTape() as tape:
            with recorded_calls(x) if is_watched else nullcontext() as calls:
                outputs = keras.tree.flatten(model(x, training=training))
            loss = sum(tf.reduce_sum(output**2) for output in outputs)
        found += [*outputs, *tape.gradient(loss, [v.value for v in model.trainable_variables])]
    return [*found, *(v.numpy() for v in model.variables)], calls


@each_row("name", MODELS)
def test_calls_are_told_with_their_sources_and_masks_and_the_model_computes_the_same_bits(name):
    """Its generators stand where they stood, too: they are variables of the model."""
    for training in (False, True):
        plain, _ = passed(name, training=training, is_watched=False)
        watched, calls = passed(name, training=training, is_watched=True)
        np.testing.assert_equal(as_arrays(watched), as_arrays(plain))
        assert [(call.name, call.kind, call.sources) for call in calls] == MODELS[name][-1]
        for call in (call for call in calls if call.kind == "dropout"):
            assert (call.mask is not None) == training
            given, kept = np.asarray(call.inputs[0]), True if call.mask is None else call.mask
            rate = call.config["rate"] if training else 0.0
            expected = np.where(kept, given / (1 - rate), 0)  # 1 - rate is a float32 in Keras
            np.testing.assert_allclose(call.output, expected, rtol=1e-7)
            if training and not isinstance(call.layer, L.SpatialDropout2D):
                sides = call.config.get("noise_shape") or [None] * given.ndim
                same = [(kept == kept.take([0], axis)).all() for axis in range(given.ndim)]
                assert (kept.shape, same) == (given.shape, [side == 1 for side in sides])


@each_row("rate", [0.0, 0.4])
@each_row("causal", [False, True])
def test_the_weights_of_an_attention_are_those_that_keras_returns(rate, causal):
    net = attention(causal=causal, dropout=rate)()
    with recorded_calls(STEPS) as calls:
        net(STEPS, training=False)
    options = {"return_attention_scores": True, "use_causal_mask": causal}
    expected = net.get_layer("attn")(STEPS, STEPS, training=False, **options)[1]
    weights = next(call for call in calls if call.kind == "attention").output
    np.testing.assert_allclose(weights, expected, rtol=0, atol=1e-15)


def test_the_factor_of_an_attention_is_moved_towards_what_it_is_in_float64():
    layer = attention()().get_layer("attn")
    before, rounded = layer(STEPS, STEPS), float(np.float32(3**-0.5))
    assert scale_of(layer) == rounded
    perturb_scale(layer)
    assert 0 < (scale_of(layer) - rounded) / (3**-0.5 - rounded) < 0.1
    assert (layer(STEPS, STEPS) != before).numpy().any()


def test_first_states_go_to_their_cells():
    layer = L.RNN([L.LSTMCell(4), L.GRUCell(3)])
    states = [[draw(4, 4), -draw(4, 4)], [draw(4, 3)]]
    expected = layer(STEPS, initial_state=states)
    with recorded_calls(STEPS):
        np.testing.assert_array_equal(layer(STEPS, initial_state=states), expected)


def test_nothing_stays_patched_whatever_is_raised():
    layer = L.Dense(3, activation="relu")
    layer.build((None, 5))
    activation = layer.activation
    with pytest.raises(RuntimeError, match="inside"), recorded_calls(IMAGES):
        raise RuntimeError("inside")
    with pytest.raises(Exception), recorded_calls():  # noqa: B017, PT011 - TensorFlow's own kind
        layer(tf.zeros((2, 4), tf.float64))
    assert layer.activation is activation
    assert (keras.Layer.__call__, keras.Operation.__call__) == CLASS_CALLS


SEPARABLE = {
    "valid": (L.SeparableConv2D, (5, 3), {}, draw(2, 9, 7, 2)),
    "same_stride": (
        *(L.SeparableConv2D, (5, (3, 4)), {"strides": 2, "padding": "same"}, draw(2, 9, 8, 2)),
    ),
    "dilation": (
        *(L.SeparableConv2D, (5, 3), {"dilation_rate": 2, "padding": "same"}, draw(2, 9, 7, 2)),
    ),
    "multiplier": (
        *(L.SeparableConv2D, (7, 3), {"depth_multiplier": 3, "use_bias": False}),
        draw(2, 9, 7, 2),
    ),
    "signal_same": (
        *(L.SeparableConv1D, (4, 4), {"strides": 3, "padding": "same"}, draw(2, 13, 3)),
    ),
    "signal_dilation": (L.SeparableConv1D, (4, 3), {"dilation_rate": 2}, draw(2, 13, 3)),
}


@each_row("kind, sizes, settings, x", SEPARABLE.values(), ids=SEPARABLE)
def test_a_separable_convolution_is_two_calls_that_make_its_output(kind, sizes, settings, x):
    layer = kind(*sizes, name="sep", activation="tanh", **settings)
    layer.build(x.shape)
    if layer.use_bias:
        layer.bias.assign(np.arange(1.0, layer.filters + 1))
    with recorded_calls(x) as calls:
        output = layer(x)
    np.testing.assert_array_equal(output, layer(x))
    depthwise, pointwise, _ = calls
    assert [(call.name, call.kind, call.sources) for call in calls] == [
        ("sep.depthwise", "depthwise_conv", [-1]),
        ("sep.pointwise", "conv", [0]),
        ("sep.activation", "activation:tanh", [1]),
    ]
    assert [*map(id, depthwise.inputs), *map(id, pointwise.inputs)] == [id(x), id(depthwise.output)]
    weights = [layer.depthwise_kernel, layer.pointwise_kernel]
    weights += [layer.bias] if layer.use_bias else []
    assert ([*depthwise.weights, *pointwise.weights], len(depthwise.weights)) == (weights, 1)
    told = depthwise.config["strides"], depthwise.config["padding"]
    assert told == (layer.strides, layer.padding)
    names, ones = ("kernel_size", "strides", "dilation_rate", "padding"), [1] * (x.ndim - 2)
    assert [pointwise.config[name] for name in names] == [ones, ones, ones, "valid"]
    # A pointwise convolution is a product with its kernel, whose other axes have length 1. It has
    # as many columns as rows, at least, so that one depthwise output only gives the layer's.
    kernel = np.reshape(layer.pointwise_kernel, layer.pointwise_kernel.shape[-2:])
    product = depthwise.output.numpy() @ kernel
    expected = product + np.asarray(layer.bias) if layer.use_bias else product
    np.testing.assert_allclose(pointwise.output, expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(output, tf.tanh(pointwise.output))


def test_a_causal_first_part_sees_the_past_only():
    """By hand. Of separable layers Keras 2 has this padding, Keras 3 refuses it."""
    kernel = np.random.default_rng(2).normal(size=(3, 2, 2))  # 3 steps, 2 channels, multiplier 2
    settings = {"strides": (1,), "dilation_rate": (2,), "padding": "causal"}
    layer = SimpleNamespace(depthwise_kernel=tf.constant(kernel), kernel_size=(3,), **settings)
    found, x = versions.depthwise(layer, draw(2, 9, 2)).numpy(), draw(2, 9, 2).numpy()
    past = np.pad(x, ((0, 0), (4, 0), (0, 0)))[..., None]  # two steps lie between two of a kernel
    expected = sum(past[:, 2 * place : 2 * place + 9] * kernel[place] for place in range(3))
    np.testing.assert_allclose(found, expected.reshape(2, 9, 4), rtol=0, atol=1e-14)
