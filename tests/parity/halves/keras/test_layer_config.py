"""Of an operation between layers, what decides its numbers is told as of a layer."""

import json

import numpy as np
from keras import layers as L
from keras import ops
from rows import each_row

from parity.halves.keras.kinds import operation_config, plain_config


def operation(made):
    return made(L.Input((3, 4)))._keras_history.operation


@each_row(
    "made, expected",
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


@each_row(
    "layer, name, expected",
    [
        (L.Dropout(np.float64(0.25)), "rate", 0.25),
        (L.Softmax(axis=[np.int64(1), np.int32(2)]), "axis", [1, 2]),
        (L.BatchNormalization(momentum=np.float32(0.5)), "momentum", 0.5),
        (L.Dense(2, use_bias=np.bool_(False)), "use_bias", False),
    ],
)
def test_scalars_of_numpy_are_the_numbers_that_they_are(layer, name, expected):
    assert json.loads(json.dumps(plain_config(layer)[name])) == expected
