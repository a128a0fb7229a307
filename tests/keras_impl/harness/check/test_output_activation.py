"""An output has an activation if a port can apply it without a setting."""

import keras
import pytest
import tensorflow as tf

from keras_impl.harness.call import Call
from keras_impl.harness.check.outputs import activation


def made(kind, config, shape=(2, 3, 4)):
    x = tf.zeros(shape)
    return Call("name", kind, None, [x], x, config=config)


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
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


def test_both_axes_give_other_values():
    x = tf.random.stateless_normal((2, 3, 4), (1, 2))
    last, other = (keras.activations.softmax(x, axis) for axis in (-1, 1))
    assert float(tf.reduce_max(tf.abs(last - other))) > 0.1
