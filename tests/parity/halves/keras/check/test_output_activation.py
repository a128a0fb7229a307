"""An output has an activation if a port can apply it without a setting."""

import keras
import tensorflow as tf
from rows import each_row

from parity.halves.keras.call import Call
from parity.halves.keras.calls import recorded_calls
from parity.halves.keras.check.metrics import activation_of
from parity.halves.keras.check.structure import activation


def made(kind, config, shape=(2, 3, 4)):
    x = tf.zeros(shape)
    return Call("name", kind, None, [x], x, config=config)


@each_row(
    "kind, config, expected",
    [
        ("activation:softmax", {}, "softmax"),
        ("activation:softmax", {"axis": -1}, "softmax"),
        ("activation:softmax", {"axis": 2}, "softmax"),
        ("activation:softmax", {"axis": 1}, None),  # it was applied along the last axis
        ("activation:softmax", {"axis": -2}, None),
        ("activation:sigmoid", {"name": "x"}, "sigmoid"),
        ("dense", {}, None),
    ],
)
def test_a_softmax_along_another_axis_is_none(kind, config, expected):
    assert activation(made(kind, config)) == expected


def test_an_activation_is_that_of_the_layer_and_not_of_an_inner_one_of_its_name():
    keras.backend.clear_session()  # which numbers names through the whole process
    inputs = keras.Input((3, 4))
    attended = keras.layers.MultiHeadAttention(1, 2)(inputs, inputs)  # has an inner "softmax"
    doubled = keras.layers.Activation("tanh", name="softmax")
    model = keras.Model(inputs, doubled(attended))
    with recorded_calls() as calls:
        model(tf.ones((1, 3, 4)))
    assert len([each for each in model._flatten_layers() if each.name == "softmax"]) == 2
    assert activation_of(calls[-1]) is doubled.activation


def test_the_activation_of_a_dense_layer_and_of_an_operation_is_the_function():
    inputs = keras.Input((3,))
    outputs = keras.ops.sigmoid(keras.layers.Dense(2, activation="tanh")(inputs))
    with recorded_calls() as calls:
        keras.Model(inputs, outputs)(tf.ones((1, 3)))
    of_layer, of_operation = (activation_of(call) for call in calls[-2:])
    assert of_layer is keras.activations.tanh
    assert float(of_operation(tf.zeros(()))) == 0.5
