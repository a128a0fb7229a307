"""The settings of an operation are in the source of its call."""

import keras
import numpy as np
import tensorflow as tf
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from written import compared, fed, outputs, written, written_plain

TORCH_IN_FLOAT64 = True


def test_the_dtype_of_a_cast_is_a_setting_and_no_policy(tmp_path):
    """It was left out, and the written module could not be called."""
    inputs = L.Input((4,))
    whole = ops.cast(inputs * 3, "int32")
    hot = ops.one_hot(whole, 3, dtype="float64")
    compared(keras.Model(inputs, [L.Dense(2)(ops.cast(whole, "float64")), hot]), tmp_path)


@each_row("as_fed", ["int32", "float64"])
def test_an_upsampling_of_whole_numbers_is_rounded_as_keras_does_it(as_fed, tmp_path):
    """A check feeds a port real numbers, and a training whole ones."""
    inputs = L.Input((4, 3, 2), dtype="int32")
    made = L.UpSampling2D((2, 3), interpolation="bilinear")(inputs)
    model = keras.Model(inputs, L.Rescaling(0.5)(made))
    module, program, _ = written(model, tmp_path)
    x = np.random.default_rng(0).integers(-9, 9, (2, 4, 3, 2)).astype("int32")
    (ours,) = outputs(module.eval()(*fed(program, [x.astype(as_fed)])), program)
    np.testing.assert_array_equal(ours, np.asarray(model(x)))


def around(*layers):
    """A model of images with these layers between two convolutions, and an input for it."""
    x = inputs = L.Input((6, 5, 3))
    for layer in (L.Conv2D(4, 2), *layers, L.Conv2D(2, 2)):
        x = layer(x)
    return keras.Model(inputs, x)


def forward_of(model, folder):
    """The source of `forward`; the written module computes what Keras computes."""
    source = compared(model, folder)
    return source[source.index("def forward") :]


ACTIVATIONS = {
    "F.relu(": lambda x: keras.activations.relu(x),
    "F.relu6(": lambda x: keras.activations.relu(x, max_value=6),
    "F.elu(": lambda x: keras.activations.elu(x),
    "activations.leaky_relu(self.conv2d(x))": lambda x: keras.activations.leaky_relu(x),
    # What is no default stays.
    "activations.relu(self.conv2d(x), max_value=2.0)": lambda x: keras.activations.relu(
        x, max_value=2.0
    ),
    "activations.elu(self.conv2d(x), alpha=0.5)": lambda x: keras.activations.elu(x, alpha=0.5),
}


@each_row("text", ACTIVATIONS)
def test_an_activation_that_is_called_is_told_what_is_no_default(text, tmp_path):
    """Keras gives a function all its settings, with those that nobody has written."""
    keras.backend.clear_session()
    found = forward_of(around(ACTIVATIONS[text]), tmp_path)
    assert text in found
    assert "negative_slope=0.0" not in found


def test_one_number_for_all_channels_needs_no_other_layout(tmp_path):
    layers = L.Rescaling(0.5, offset=-1.0), L.Rescaling([0.1, 0.2, 0.3, 0.4])
    assert [forward_of(around(layer), tmp_path).count("movedim") for layer in layers] == [0, 2]


@each_row(
    "function, text",
    [
        (lambda x: ops.maximum(x, 0.5), "clip(x, low=0.5)"),
        (lambda x: ops.minimum(x, 0.5), "clip(x, high=0.5)"),
        (lambda x: ops.maximum(0.5, x), 'OPERATIONS["Maximum"](0.5, x)'),
    ],
    ids=["maximum", "minimum", "number_first"],
)
def test_a_bound_has_the_value_and_the_slope_of_keras_where_both_are_equal(
    function, text, tmp_path
):
    inputs = L.Input((3,), name="x")
    model = keras.Model(inputs, function(inputs))
    full, program, source = written(model, tmp_path)
    plain, _ = written_plain(model, tmp_path, full)
    assert text in source
    x = tf.constant([[0.25, 0.5, 0.75]], dtype="float64")
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = model(x)
    slopes = tape.gradient(expected, x).numpy()
    for module in (full, plain):
        given = torch.tensor(x.numpy(), requires_grad=True)
        made = module(*fed(program, [given]))
        made.sum().backward()
        np.testing.assert_array_equal(made.detach().numpy(), np.asarray(expected))
        np.testing.assert_array_equal(given.grad.numpy(), slopes)


def test_a_layer_named_as_a_function_does_not_hide_it(tmp_path):
    inputs = L.Input((3,))
    x = L.Dense(3, name="clip")(inputs)
    compared(keras.Model(inputs, [ops.maximum(x, 0.5), x]), tmp_path)
