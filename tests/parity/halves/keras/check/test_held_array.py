"""An array as a tensor of a graph: its numbers, its shape, and what is no array."""

import json

import keras
import numpy as np
from keras import ops
from rows import each_row

from parity.halves.keras.check.symbolic import HeldArray, is_array


def test_it_returns_its_array_for_any_tensor_of_a_graph():
    inputs = keras.Input((3,))
    made = HeldArray(name="numbers")(inputs, np.array([[5, 7]], dtype="int32"))
    assert (made.shape, made.dtype) == ((1, 2), "int32")
    model = keras.Model(inputs, inputs[:, :2] * ops.cast(made, "float32"))
    np.testing.assert_array_equal(model(np.ones((4, 3))), [[5, 7]] * 4)
    np.testing.assert_array_equal(model(np.zeros((4, 3))), np.zeros((4, 2)))


def test_a_config_has_the_array():
    inputs = keras.Input((3,))
    made = HeldArray(name="numbers")(inputs, ops.arange(2))
    config = json.loads(keras.Model(inputs, made).to_json())["config"]
    entry = next(each for each in config["layers"] if each["name"] == "numbers")
    assert entry["inbound_nodes"][0]["args"][1]["config"] == {"value": [0, 1], "dtype": "int32"}


@each_row("value", [np.ones(2), ops.ones(2), ops.ones(())])
def test_numbers_are_an_array(value):
    assert is_array(value)


@each_row("value", [keras.Input((3,)), 2, None, "x", [1, 2]])
def test_a_tensor_of_a_graph_or_a_plain_value_is_none(value):
    assert not is_array(value)
