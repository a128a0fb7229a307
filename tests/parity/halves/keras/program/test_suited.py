"""Arrays that a model cannot be trained with are told in a sentence; what Keras takes, passes."""

import re

import keras
import numpy as np
import pytest
from rows import each_row

from keras_impl.reference import Reference
from parity.errors import InputError
from parity.halves.keras.program.source import check_arrays

X, Y = np.zeros((9, 4)), np.arange(9) % 3


@pytest.fixture(scope="module")
def model():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    net.compile("sgd", "sparse_categorical_crossentropy")
    return net


@each_row(
    "given, message",
    [
        ({"y": Y[:8]}, "the numbers of samples are 9 in x, 8 in y; expected the same number"),
        ({"sample_weight": np.ones(7)}, "9 in x, 9 in y, 7 in sample_weight"),
        ({"x": np.zeros((9, 5))}, "samples of shape (5,) in x; expected (4,), the input of the"),
        ({"x": np.zeros((9, 2, 2))}, "samples of shape (2, 2) in x; expected (4,)"),
        ({"y": Y + 1}, "labels from 1 to 3 in y; expected classes in [0, 3)"),
        ({"y": Y - 1.0}, "labels from -1.0 to 1.0 in y"),
        ({"validation_data": (X, Y[:2])}, "9 in x of validation, 2 in y of validation"),
        ({"validation_data": (X[:, :3], Y)}, "shape (3,) in x of validation; expected (4,)"),
        ({"validation_data": (X, Y + 7)}, "labels from 7 to 9 in y of validation"),
        ({"x": {"other": X}}, "x has the names other; expected "),
    ],
)
def test_what_the_model_cannot_take_is_told(given, message, model):
    with pytest.raises(InputError, match=re.escape(message)):
        check_arrays(Reference(model, **{"x": X, "y": Y, **given}))


@each_row(
    "given",
    [
        {},
        {"y": Y[:, None]},
        {"y": Y.tolist()},
        {"x": X.tolist(), "sample_weight": np.ones(9)},
        {"x": X[..., None]},  # `fit` drops the last axis
        {"validation_data": (X[:2], Y[:2], np.ones(2))},
        {"x": iter([(X, Y)]), "y": None},
        {"x": None, "y": None},
    ],
)
def test_what_fit_takes_passes(given, model):
    check_arrays(Reference(model, **{"x": X, "y": Y, **given}))


def test_labels_that_the_loss_ignores_are_no_classes():
    net = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(ignore_class=255))
    check_arrays(Reference(net, x=X, y=np.where(Y == 0, 255, Y)))


def test_sequences_and_images_of_any_length_pass():
    net = keras.Sequential([keras.Input((None, 4)), keras.layers.LSTM(2)])
    net.compile("sgd", "mse")
    check_arrays(Reference(net, x=np.zeros((9, 6, 4)), y=np.zeros((9, 2))))
    with pytest.raises(InputError, match=re.escape("shape (6, 5) in x; expected (None, 4)")):
        check_arrays(Reference(net, x=np.zeros((9, 6, 5)), y=np.zeros((9, 2))))


def test_inputs_by_name_are_those_of_the_model():
    left, right = keras.Input((2,), name="left"), keras.Input((3,), name="right")
    net = keras.Model([left, right], keras.layers.Concatenate()([left, right]))
    net.compile("sgd", "mse")
    x = {"right": np.zeros((9, 3)), "left": np.zeros((9, 2))}
    check_arrays(Reference(net, x=x, y=np.zeros((9, 5))))
    with pytest.raises(InputError, match="9 in x, 8 in x"):
        check_arrays(Reference(net, x={**x, "right": np.zeros((8, 3))}, y=np.zeros((9, 5))))
