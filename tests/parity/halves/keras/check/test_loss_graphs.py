"""Losses that only call operations of Keras have a graph; other code has none."""

import random
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers as L
from keras import ops
from rows import each_row

from parity.halves.keras.check.custom_losses import loss_graph
from parity.halves.keras.float64 import functions_in_float64

Y = np.random.default_rng(0).normal(size=(4, 3))
calls = 0
noise = keras.Sequential([L.Input((3,)), L.Dense(3)])
factor = keras.Variable(2.0)


pytestmark = pytest.mark.usefixtures("in_float64")


def squares(y, p, power=2):
    error = ops.abs(y - p)
    return ops.mean(error**power, axis=-1)


class Squares(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return squares(y_true, y_pred)


class Counting(Squares):
    """Has another rate in each call."""

    steps = 0

    def call(self, y_true, y_pred):
        self.steps += 1
        return super().call(y_true, y_pred) * min(1.0, self.steps / 10)


class Late(Counting):
    """Counts its calls, and does something else after many."""

    def call(self, y_true, y_pred):
        self.steps += 1
        return squares(y_true, y_pred) if self.steps < 100 else y_pred


class OfItsOwn(Squares):
    """Is called otherwise than a loss of Keras."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        return 2 * super().__call__(y_true, y_pred, sample_weight)


def counting(y, p):
    global calls
    calls += 1
    return squares(y, p) if calls < 100 else p


MANY = np.ones(100)
MORE = {
    "calls": counting,
    "draws": lambda y, p: squares(y + keras.random.normal(ops.shape(p)[1:]), p),
    "draws by Python": lambda y, p: squares(y * random.random(), p),
    "draws by NumPy": lambda y, p: squares(y + np.random.default_rng().normal(size=3), p),
    "branches": lambda y, p: squares(y, p) if ops.mean(p) > 0 else ops.mean(p, axis=-1),
    # Does something else where it gets numbers.
    "looks": lambda y, p: squares(y, p) * (1 if isinstance(p, keras.KerasTensor) else 2),
    "TensorFlow": lambda y, p: tf.reduce_mean(tf.square(y - p), axis=-1),
    "NumPy": lambda y, p: squares(y, p) * np.mean(np.asarray(p)),
    "model": lambda y, p: squares(noise(y), noise(p)),
    "weight": lambda y, p: squares(y, p) * factor,
    "number of a weight": lambda y, p: squares(y, p) * factor.value,
    "many numbers": lambda y, p: squares(y, p) * ops.sum(ops.convert_to_tensor(MANY) * ops.mean(p)),
    "constant": lambda y, p: ops.ones(4),
    "two": lambda y, p: (squares(y, p), p),
    "infinite": lambda y, p: ops.mean(ops.minimum(p, float("inf")), axis=-1),
    "rate of each call": Counting,
    "other code after many calls": Late,
    "another call": OfItsOwn,
    "no reduction": partial(Squares, reduction="none"),
    "float32": partial(Squares, dtype="float32"),
}


def made(loss):
    """A loss; a class is made here, since its objects compute in the dtype of that time."""
    return loss() if isinstance(loss, type) or type(loss) is partial else loss


def of_named_dtypes(y, p):
    y = ops.cast(y, "float32")
    is_told = ops.cast(ops.not_equal(y, -1.0), "float32")
    return ops.sum(is_told * ops.square(y - p), axis=-1) / ops.sum(is_told, axis=-1)


def test_code_that_names_float32_has_a_graph_that_names_it_where_casts_are_followed():
    """In float64 by itself it is an error of Keras, as in `fit`: it mixes dtypes."""
    assert loss_graph(of_named_dtypes, Y, (3,)) is None
    with functions_in_float64():
        found = loss_graph(of_named_dtypes, Y, (3,))
    casts = [each for each in found["config"]["layers"] if each["class_name"] == "Cast"]
    assert [each["config"]["dtype"] for each in casts] == ["float32"] * 2


@each_row("loss", MORE.values(), ids=MORE)
def test_code_that_does_more_has_none(loss):
    assert loss_graph(made(loss), Y, (3,)) is None


def test_what_a_loss_keeps_is_as_before():
    loss = Late()
    assert loss_graph(loss, Y, (3,)) is None
    assert loss.steps == 0
    assert "steps" not in vars(loss)


def test_an_axis_that_may_have_any_length_stays_open():
    shapes = {
        each["config"]["name"]: each["config"].get("batch_shape")
        for each in loss_graph(squares, np.ones((4, 7, 2)), (7, 2), (None, 2))["config"]["layers"]
    }
    assert shapes["y_true"] == shapes["y_pred"] == [None, None, 2]
    assert loss_graph(lambda y, p: ops.reshape(p, (-1, ops.shape(p)[1])), Y, (3,), (None,)) is None
