"""A dropout of the user's own is known by what it makes of its input."""

import keras
import numpy as np
import pytest
from rows import each_row

from parity.halves.keras.own_dropouts import is_own_dropout, kept_entries, rate_of

X = np.array([[1.0, -2.0, 0.0, 4.0]])


class Own(keras.layers.Dropout):
    """Of the user's."""


def test_a_subclass_is_the_users_and_keras_own_is_not():
    assert is_own_dropout(Own(0.5))
    assert not is_own_dropout(keras.layers.Dropout(0.5))
    assert not is_own_dropout(keras.layers.SpatialDropout1D(0.5))
    assert not is_own_dropout(keras.layers.GaussianDropout(0.5))


def test_what_is_dropped_is_found_and_a_zero_counts_as_kept():
    is_dropout, kept = kept_entries(X, np.array([[2.0, 0.0, 0.0, 8.0]]), 0.5)
    assert is_dropout
    assert kept.tolist() == [[True, False, True, True]]


def test_a_mask_that_keeps_all_is_one_and_a_layer_that_is_off_has_none():
    assert kept_entries(X, 2 * X, 0.5)[1].all()
    assert kept_entries(X, X, 0.5) == kept_entries(X, X, 0.0) == (True, None)


@each_row(
    "output",
    [2 * X + 1, np.where(X > 0, X, 0), X[:, :3], 4 * X],
    ids=["more", "not_scaled", "shape", "scaled_twice"],
)
def test_what_does_more_than_drop_is_no_dropout(output):
    assert kept_entries(X, output, 0.5) == (False, None)


def test_a_rate_of_nothing_or_all_explains_no_drop():
    dropped = np.array([[1.0, 0.0, 0.0, 4.0]])
    assert kept_entries(X, dropped, 0.0) == (False, None)
    assert kept_entries(X, np.zeros_like(X), 1.0) == (False, None)


class Drawing(keras.layers.Layer):
    """Of the user's, with any code."""


DROPPED = np.array([[1 / 0.6, 0.0, 0.0, 4 / 0.6]])


def test_a_layer_that_drops_in_eval_mode_is_a_dropout_from_then_on():
    layer = Drawing()
    assert rate_of(layer, X, DROPPED, draws_in_eval=False) is None
    assert rate_of(layer, X, DROPPED, draws_in_eval=True) == pytest.approx(0.4)
    assert rate_of(layer, X, X, draws_in_eval=False) == pytest.approx(0.4)


@each_row("output", [X, X + 1, 0 * X, X[:, :2]], ids=["on", "noise", "none", "shape"])
def test_a_layer_that_draws_something_else_is_none(output):
    assert rate_of(Drawing(), X, output, draws_in_eval=True) is None


def test_the_rate_of_a_subclass_is_its_own_and_a_layer_of_keras_has_none():
    assert rate_of(Own(0.3), X, X, draws_in_eval=False) == 0.3
    assert rate_of(keras.layers.Dropout(0.3), X, DROPPED, draws_in_eval=True) is None
