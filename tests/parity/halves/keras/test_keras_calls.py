"""Watching a Keras model changes nothing that it computes, and leaves nothing behind."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from own_classes import own_class
from rows import each_row

from parity.halves.keras import versions
from parity.halves.keras.calls import recorded_calls

L = keras.layers
CLASS_CALLS = keras.Layer.__call__, keras.Operation.__call__


def images():
    return tf.constant(np.random.default_rng(0).normal(size=(3, 9, 7, 2)))


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
    inner = keras.Sequential([keras.Input((9, 7, 2)), L.Dropout(0.3, name="drop"), L.Flatten()])
    y = keras.ops.add(conv(x), conv(conv(x)))
    return keras.Model(x, L.Dense(3, name="dense")(inner(y)))


def convolved(self, x, training=None):
    x = keras.activations.relu(self.conv(x))
    x = self.drop(x, training=training)
    return self.dense(keras.ops.mean(x, axis=(1, 2)))


Subclassed = own_class(
    convolved,
    keras.Model,
    conv=lambda: L.Conv2D(3, 3, name="conv"),
    drop=lambda: L.SpatialDropout2D(0.5, name="drop"),
    dense=lambda: L.Dense(2, name="dense"),
)
MODELS = {"sequential": sequential, "shared": shared, "subclassed": Subclassed}


@pytest.fixture(autouse=True)
def _float64():
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")


def built(name):
    keras.utils.clear_session()
    keras.utils.set_random_seed(7)
    model = MODELS[name]()
    model(images(), training=False)
    return model


def trained(model, watch):
    """Output, gradients and state after two passes in train mode, watched or not."""
    found = []
    for _ in range(2):
        with tf.GradientTape() as tape:
            if watch:
                with recorded_calls(images()):
                    output = model(images(), training=True)
            else:
                output = model(images(), training=True)
            loss = tf.reduce_sum(output**2)
        gradients = tape.gradient(loss, [v.value for v in model.trainable_variables])
        found += [output, *gradients]
    return [np.asarray(value) for value in (*found, *(v.numpy() for v in model.variables))]


@each_row("name", MODELS)
def test_a_watched_model_computes_the_same_bits(name):
    """Its generators stand where they stood, too: they are variables of the model."""
    plain, watched = (trained(built(name), watch) for watch in (False, True))
    assert len(plain) == len(watched)
    for a, b in zip(plain, watched, strict=True):
        np.testing.assert_array_equal(a, b)


@each_row("name", MODELS)
def test_every_call_is_what_it_says(name):
    model = built(name)
    with recorded_calls(images()) as calls:
        output = model(images(), training=False)
    assert calls[-1].output is output
    for call in calls:
        if call.layer is not None and call.kind not in ("conv", "dense"):
            again = call.layer(*call.inputs)
            np.testing.assert_array_equal(again, call.output)
    assert len({call.name for call in calls}) == len(calls)


def test_calls_come_in_order_with_their_sources():
    model = built("sequential")
    with recorded_calls(x := images()) as calls:
        model(x, training=False)
    names = [call.name for call in calls]
    assert names == ["conv", "conv.activation", "norm", "drop", "flat", "dense", "dense.activation"]
    assert [call.sources for call in calls] == [[n] for n in range(-1, 6)]
    kinds = [call.kind for call in calls]
    assert kinds == [
        *["conv", "activation:relu", "batch_norm", "dropout", "flatten", "dense"],
        "activation:softmax",
    ]


def test_a_shared_layer_is_counted_and_its_sources_are_told():
    model = built("shared")
    with recorded_calls(x := images()) as calls:
        model(x, training=False)
    by_name = {call.name: n for n, call in enumerate(calls)}
    assert {"conv", "conv#2", "conv#3"} <= set(by_name)
    add = next(call for call in calls if call.kind == "add")
    assert all(source is not None and source >= 0 for source in add.sources)
    assert [calls[source].kind for source in add.sources] == ["activation:tanh"] * 2


@each_row("name", MODELS)
def test_a_mask_is_what_the_dropout_keeps(name):
    model = built(name)
    with recorded_calls(images()) as calls:
        model(images(), training=True)
    drops = [call for call in calls if call.kind == "dropout"]
    assert drops
    for call in drops:
        x, y = call.inputs[0].numpy(), call.output.numpy()
        assert call.mask.shape == x.shape
        assert 0 < call.mask.mean() < 1
        np.testing.assert_allclose(
            y, np.where(call.mask, x / (1 - call.layer.rate), 0), rtol=1e-7
        )  # 1 - rate is a float32 in Keras
    with recorded_calls(images()) as calls:
        model(images(), training=False)
    assert all(call.mask is None for call in calls)


def test_nothing_stays_patched_whatever_is_raised():
    layer = L.Dense(3, activation="relu")
    layer.build((None, 5))
    activation = layer.activation
    with pytest.raises(RuntimeError, match="inside"), recorded_calls(images()):
        raise RuntimeError("inside")
    with pytest.raises(Exception), recorded_calls():  # noqa: B017, PT011 - TensorFlow's own kind
        layer(tf.zeros((2, 4), tf.float64))
    assert layer.activation is activation
    assert (keras.Layer.__call__, keras.Operation.__call__) == CLASS_CALLS


def images_of(*shape):
    return tf.constant(np.random.default_rng(1).normal(size=(2, *shape)))


SEPARABLE = {
    "valid": (lambda **s: L.SeparableConv2D(5, 3, **s), images_of(9, 7, 2)),
    "same_stride": (
        lambda **s: L.SeparableConv2D(5, (3, 4), strides=2, padding="same", **s),
        images_of(9, 8, 2),
    ),
    "dilation": (
        lambda **s: L.SeparableConv2D(5, 3, dilation_rate=2, padding="same", **s),
        images_of(9, 7, 2),
    ),
    "multiplier": (
        lambda **s: L.SeparableConv2D(7, 3, depth_multiplier=3, use_bias=False, **s),
        images_of(9, 7, 2),
    ),
    "signal_same": (
        lambda **s: L.SeparableConv1D(4, 4, strides=3, padding="same", **s),
        images_of(13, 3),
    ),
    "signal_dilation": (
        lambda **s: L.SeparableConv1D(4, 3, dilation_rate=2, **s),
        images_of(13, 3),
    ),
}


def watched_separable(make, x):
    layer = make(name="sep", activation="tanh")
    layer.build(x.shape)
    if layer.use_bias:
        layer.bias.assign(np.arange(1.0, layer.filters + 1))
    plain = layer(x)
    with recorded_calls(x) as calls:
        output = layer(x)
    np.testing.assert_array_equal(output, plain)
    return layer, calls, output


@each_row("make, x", SEPARABLE.values(), ids=SEPARABLE)
def test_a_separable_convolution_is_two_calls_that_make_its_output(make, x):
    layer, (depthwise, pointwise, activation), output = watched_separable(make, x)
    assert [
        (call.name, call.kind, call.sources) for call in (depthwise, pointwise, activation)
    ] == [
        ("sep.depthwise", "depthwise_conv", [-1]),
        ("sep.pointwise", "conv", [0]),
        ("sep.activation", "activation:tanh", [1]),
    ]
    assert depthwise.inputs[0] is x
    assert pointwise.inputs[0] is depthwise.output
    assert depthwise.weights == [layer.depthwise_kernel]
    biases = [layer.bias] if layer.use_bias else []
    assert pointwise.weights == [layer.pointwise_kernel, *biases]
    assert (depthwise.config["strides"], depthwise.config["padding"]) == (
        *(layer.strides, layer.padding),
    )
    names = ("kernel_size", "strides", "dilation_rate", "padding")
    ones = [1] * (x.ndim - 2)
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
    layer = SimpleNamespace(
        depthwise_kernel=tf.constant(kernel),
        kernel_size=(3,),
        strides=(1,),
        dilation_rate=(2,),
        padding="causal",
    )
    x = images_of(9, 2).numpy()
    found = versions.depthwise(layer, tf.constant(x)).numpy()
    expected = np.zeros((2, 9, 2, 2))
    for step in range(9):
        for place in range(3):
            before = step - 2 * (2 - place)
            if before >= 0:
                expected[:, step] += x[:, before, :, None] * kernel[place]
    np.testing.assert_allclose(found, expected.reshape(2, 9, 4), rtol=0, atol=1e-14)
