"""Of an operation between layers, what decides its numbers is told as of a layer."""

import pytest
from keras import layers as L
from keras import ops

from keras_impl.harness.layer_config import operation_config


def operation(made):
    return made(L.Input((3, 4)))._keras_history.operation


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (lambda x: ops.softmax(x), {"axis": -1}),
        (lambda x: ops.softmax(x, axis=1), {"axis": 1}),
        (lambda x: ops.leaky_relu(x, 0.3), {"negative_slope": 0.3}),
        (lambda x: ops.mean(x, axis=1), {}),
        (lambda x: ops.concatenate([x, x], axis=1), {}),
    ],
)
def test_constants_of_activations_and_the_axis_of_a_softmax(made, expected):
    assert operation_config(operation(made)) == expected
