"""Samples are drawn for each purpose, or taken from the user's file, which is looked at first."""

import re

import numpy as np
import pytest
from rows import each_row
from scipy import special

from parity.data.samples import ModelInput, Samples
from parity.errors import InputError
from parity.programs.check_spec import CheckSpec

IMAGES = [ModelInput("x", (None, 5, 3))]


def of_file(folder, inputs=IMAGES, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return Samples(CheckSpec(data="data.npz", folder=str(folder), seed=4), inputs)


X = np.random.default_rng(0).normal(size=(7, 4, 5, 3)).astype(np.float32)


def test_real_numbers_of_a_file_become_those_of_float32(tmp_path):
    """The user's program trains in float32, and a port may cast its input to it."""
    given = np.random.default_rng(1).normal(size=(7, 4, 5, 3))
    samples = of_file(tmp_path, x=given, y=given[:, 0, 0, 0])
    (rows,), targets = samples.inputs("probe", 7), samples.targets("probe", 7, "values", ())
    assert rows.dtype == targets.dtype == np.float64
    rounded = given.astype(np.float32)
    np.testing.assert_array_equal(np.sort(rows, None), np.sort(rounded, None))
    np.testing.assert_array_equal(np.sort(targets), np.sort(rounded[:, 0, 0, 0]))


# --- drawn ---------------------------------------------------------------------------------------


@each_row(
    ("kind", "shape", "check"),
    [
        ("classes", (5,), lambda y: y.shape == (40,) and set(y) == set(range(5))),
        ("classes", (3, 5), lambda y: y.shape == (40, 3) and y.dtype == np.int64),
        ("one_hot", (5,), lambda y: (y.sum(-1) == 1).all() and set(y.ravel()) == {0, 1}),
        ("distribution", (5,), lambda y: np.allclose(y.sum(-1), 1) and y.min() > 0.01),
        ("binary", (2,), lambda y: set(y.ravel()) == {0, 1} and y.dtype == np.float64),
        ("counts", (1,), lambda y: (y == np.round(y)).all() and y.min() >= 0 and y.max() > 2),
        ("values", (2, 3), lambda y: y.shape == (40, 2, 3) and y.min() < 0),
    ],
    ids=["classes", "sequence", "one_hot", "distribution", "binary", "counts", "values"],
)
def test_targets_are_what_the_loss_expects(kind, shape, check):
    assert check(Samples(CheckSpec(seed=9), IMAGES).targets("probe", 40, kind, shape))


# --- the user's ----------------------------------------------------------------------------------


@each_row("names", [("x", "y"), ("x_train", "y_train")])
def test_samples_come_from_the_file_in_order_and_begin_again(names, tmp_path):
    y = np.arange(7, dtype=np.uint8) % 4
    samples = of_file(tmp_path, **dict(zip(names, (X, y), strict=True)))
    (rows,) = samples.inputs("probe", 9)
    targets = samples.targets("probe", 9, "classes", (4,))
    order = (np.flatnonzero((rows[0] == X).all((1, 2, 3)))[0] + np.arange(9)) % 7
    np.testing.assert_array_equal(rows, X[order])
    np.testing.assert_array_equal(targets, y[order])
    assert targets.dtype == np.int64
    np.testing.assert_array_equal(samples.targets("probe", 9, "one_hot", (4,)).argmax(-1), targets)


def test_each_output_of_a_file_has_its_own_targets_and_others_are_drawn(tmp_path):
    samples = of_file(tmp_path, x=X, y_kind=np.arange(7) % 4, y_size=np.arange(7.0))
    assert samples.given_targets == ("kind", "size")
    kinds = samples.targets("probe", 7, "classes", (4,), "kind")
    np.testing.assert_array_equal(kinds, samples.targets("probe", 7, "values", (), "size") % 4)
    assert not set(samples.targets("probe", 7, "values", (), "other")) & set(range(7))
    with pytest.raises(InputError, match=re.escape("y_kind of shape (7,) and type int64, from 0")):
        samples.targets("probe", 7, "classes", (3,), "kind")


def test_what_a_file_cannot_give_is_drawn(tmp_path):
    """Building a model takes any input; targets of confident outputs are eight, of every class."""
    samples = of_file(tmp_path, x=X, y=np.zeros(7, int))
    assert samples.inputs("eval", 1)[0].shape == (1, 48, 5, 3)
    assert len(set(samples.targets("confident", 8, "classes", (4,)))) > 1


@each_row(
    ("y", "kind", "shape"),
    [
        (np.zeros((7, 1), int), "classes", (4,)),
        (np.eye(4)[np.zeros(7, int)], "one_hot", (4,)),
        (np.zeros((7, 3), np.int32), "classes", (3, 4)),
        (np.zeros(7), "binary", (1,)),
        (np.zeros((7, 1), bool), "binary", (1,)),
        (np.zeros((7, 9)), "values", (2,)),
    ],
    ids=["column", "one_hot", "sequence", "flat", "boolean", "own_loss"],
)
def test_targets_that_the_loss_takes_are_taken(y, kind, shape, tmp_path):
    found = of_file(tmp_path, x=X, y=y).targets("probe", 3, kind, shape)
    assert found.shape == (3, *y.shape[1:])
    assert found.dtype in (np.int64, np.float64)


@each_row(
    ("y", "kind", "shape", "message"),
    [
        (np.full(7, 4), "classes", (4,), "from 4 to 4; expected classes in [0, 4)"),
        (np.full(7, -1), "classes", (4,), "from -1 to -1"),
        (np.zeros(7), "classes", (4,), "type float64"),
        (np.full(7, 9), "one_hot", (4,), "expected classes in [0, 4)"),
        (np.zeros((7, 5)), "one_hot", (4,), "y of shape (7, 5); expected samples of shape (4,)"),
        (np.zeros((7, 2)), "classes", (4,), "y of shape (7, 2)"),
        (np.zeros((7, 2)), "binary", (1,), "y of shape (7, 2)"),
    ],
    ids=["class", "negative", "floats", "one_hot", "columns", "axes", "binary"],
)
def test_targets_that_the_loss_cannot_take_are_refused(y, kind, shape, message, tmp_path):
    with pytest.raises(InputError, match=re.escape(message)):
        of_file(tmp_path, x=X, y=y).targets("probe", 3, kind, shape)


@each_row("kind", ["classes", "one_hot"])
def test_no_confident_probability_is_lost_in_float32(kind):
    linear, _ = Samples.confident(3, kind, (5,), "float32")
    p = special.softmax(linear.astype(np.float32), -1)
    np.testing.assert_array_equal(linear.astype(np.float32), linear)
    assert p.min() >= np.finfo(np.float32).tiny
    assert p[3].min() < 1e-7  # a loss that clips there shows it


def test_no_confident_answer_to_yes_or_no_is_certain_in_float32():
    linear, y = Samples.confident(3, "binary", (4,), "float32")
    p = special.expit(linear.astype(np.float32))
    assert ((p > 0) & (p < 1)).all()
    assert np.abs(linear[3]).min() == np.abs(linear).max() == 7
    assert (y[3] == (linear[3] < 0)).all()
