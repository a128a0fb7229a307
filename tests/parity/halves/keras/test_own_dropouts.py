"""A dropout of the user's own is known by what it makes of its input."""

import keras
import numpy as np
import pytest
from rows import each_row

from parity.halves.keras.random_layers import is_custom_dropout, kept_entries, rate_of

X = np.array([[1.0, -2.0, 0.0, 4.0]])


class Own(keras.layers.Dropout):
    """Of the user's."""


def test_a_subclass_is_the_users_and_keras_own_is_not():
    layers = keras.layers
    kinds = [Own, layers.Dropout, layers.SpatialDropout1D, layers.GaussianDropout]
    assert [is_custom_dropout(kind(0.5)) for kind in kinds] == [True, False, False, False]


@each_row(
    "output, rate, kept",
    [
        (np.array([[2.0, 0.0, 0.0, 8.0]]), 0.5, [[True, False, True, True]]),  # a zero is kept
        (2 * X, 0.5, [[True] * 4]),
        (X, 0.5, "off"),
        (X, 0.0, "off"),
        (2 * X + 1, 0.5, None),
        (np.where(X > 0, X, 0), 0.5, None),
        (X[:, :3], 0.5, None),
        (4 * X, 0.5, None),
        (np.array([[1.0, 0.0, 0.0, 4.0]]), 0.0, None),
        (np.zeros_like(X), 1.0, None),
    ],
)
def test_what_only_drops_is_a_dropout(output, rate, kept):
    is_dropout, found = kept_entries(X, output, rate)
    entries = None if found is None else found.tolist()
    assert (is_dropout, entries) == (kept is not None, kept if kept != "off" else None)


class Drawing(keras.layers.Layer):
    """Of the user's, with any code."""


DROPPED = np.array([[1 / 0.6, 0.0, 0.0, 4 / 0.6]])


@each_row(
    "layer, output, in_eval, rate",
    [
        *((Drawing, output, True, None) for output in (X, X + 1, 0 * X, X[:, :2])),
        (lambda: Own(0.3), X, False, 0.3),
        (lambda: keras.layers.Dropout(0.3), DROPPED, True, None),
    ],
)
def test_the_rate_is_that_of_a_subclass_or_of_what_a_layer_drops(layer, output, in_eval, rate):
    assert rate_of(layer(), X, output, draws_in_eval=in_eval) == rate


def test_a_layer_that_drops_in_eval_mode_is_a_dropout_from_then_on():
    layer, passes = Drawing(), [(DROPPED, False), (DROPPED, True), (X, False)]
    rates = [rate_of(layer, X, output, draws_in_eval=draws) for output, draws in passes]
    assert rates == [None, pytest.approx(0.4), pytest.approx(0.4)]
