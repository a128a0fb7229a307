"""Code counts along a side that a graph does not know, and changes nothing else along it."""

import keras
import numpy as np
from keras import layers as L
from keras import ops
from rows import each_row

from parity.halves.keras.check.inlined import inlined
from parity.halves.keras.check.symbolic import Positions, in_graph, is_custom


def graph_of(call, shape=(None, 3)):
    """A model around a layer with this code, and what is written out of it."""

    class Code(L.Layer):
        def call(self, x):
            return call(x)

    inputs = keras.Input(shape)
    model = keras.Model(inputs, Code()(inputs))
    return model, inlined(model, None)


def causal(x):
    """Which steps a step sees, by two counts of one side."""
    size = ops.shape(x)[1]
    i, j = ops.arange(size)[:, None], ops.arange(size)
    seen = ops.reshape(ops.cast(i >= j, "float32"), (1, size, size))
    return ops.matmul(seen, x)


@each_row(
    "call",
    [
        causal,
        lambda x: x + ops.cast(ops.arange(0, ops.shape(x)[-2], 1), "float32")[:, None],
        lambda x: x * ops.arange(stop=ops.shape(x)[1], start=0, dtype="float32")[:, None],
    ],
    ids=["causal", "from_zero_by_one", "dtype"],
)
def test_positions_are_those_of_the_length_that_comes(call):
    model, found = graph_of(call)
    assert not any(map(is_custom, in_graph(found.model)))
    assert any(isinstance(each, Positions) for each in found.model.operations)
    for length in (1, 4, 7):
        x = np.random.default_rng(length).normal(size=(2, length, 3)).astype("float32")
        np.testing.assert_array_equal(found.model(x), model(x))


@each_row(
    "call",
    [
        lambda x: x + ops.cast(ops.arange(1, ops.shape(x)[1]), "float32")[0],
        lambda x: x + ops.cast(ops.arange(0, ops.shape(x)[1], 2), "float32")[0],
        lambda x: x + ops.cast(ops.arange(2 * ops.shape(x)[1]), "float32")[0],
        lambda x: ops.reshape(x, (ops.shape(x)[0], ops.shape(x)[1] * 3)),
        lambda x: ops.reshape(x, (ops.shape(x)[1], 3)),
    ],
    ids=["from_one", "by_two", "arithmetic", "product", "other_sides"],
)
def test_other_uses_of_an_open_side_leave_a_layer_whole(call):
    assert graph_of(call)[1] is None


def test_a_side_that_is_known_stays_a_number():
    _, found = graph_of(lambda x: x * float(ops.shape(x)[2]))
    x = np.ones((2, 4, 3), "float32")
    np.testing.assert_array_equal(found.model(x), 3 * x)
    assert not any(isinstance(each, Positions) for each in found.model.operations)
