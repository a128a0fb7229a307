"""Regularisers are Keras's, factor for factor."""

from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from rows import each_row

from torch_impl.regularizers import L1, L1L2, L2, OrthogonalRegularizer, from_config


def value_and_gradient(regularizer, x):
    tensor = torch.tensor(x, requires_grad=True)
    value = regularizer(tensor)
    value.backward()
    return value.item(), tensor.grad.numpy()


def keras_value_and_gradient(regularizer, x):
    tensor = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        value = regularizer(tensor)
    return float(value), tape.gradient(value, tensor).numpy()


@one_test
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (L1(0.1), keras.regularizers.L1(0.1)),
        (L2(0.1), keras.regularizers.L2(0.1)),
        (L1L2(0.1, 0.3), keras.regularizers.L1L2(0.1, 0.3)),
        (L1L2(l2=1e-9), keras.regularizers.L1L2(l2=1e-9)),
        (L1(), keras.regularizers.get("l1")),
        (L2(), keras.regularizers.get("l2")),
    ],
    ids=["l1", "l2", "l1_l2", "tiny", "l1_by_name", "l2_by_name"],
)
@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (7, 3), (1,), ()], ids=str)
def test_a_penalty_and_its_gradient_are_those_of_keras_in_float64(ours, theirs, shape):
    keras.config.set_floatx("float64")
    x = np.asarray(np.random.default_rng(0).normal(size=shape))
    if x.size > 2:
        x.flat[1] = 0
    value, gradient = value_and_gradient(ours, x)
    expected, expected_gradient = keras_value_and_gradient(theirs, x)
    assert value == pytest.approx(expected, rel=1e-14, abs=0)
    np.testing.assert_allclose(gradient, expected_gradient, rtol=1e-15, atol=0)


@one_test
@pytest.mark.parametrize("mode", ["rows", "columns"])
@pytest.mark.parametrize("shape", [(3, 5), (6, 2)], ids=str)
def test_the_orthogonal_penalty_is_that_of_keras(shape, mode):
    """In float64 with Keras's factor cast, as its own product of float32 and float64 fails."""
    keras.config.set_floatx("float64")
    x = np.random.default_rng(1).normal(size=shape)
    x[1] *= 1e-9  # shorter than the norm by which it is divided
    theirs = keras.regularizers.OrthogonalRegularizer(0.1, mode)
    theirs.factor = tf.cast(theirs.factor, tf.float64)
    value, gradient = value_and_gradient(OrthogonalRegularizer(0.1, mode), x)
    expected, expected_gradient = keras_value_and_gradient(theirs, x)
    assert value == pytest.approx(expected, rel=1e-14)
    # An entry is a sum of products of cosines, at most the factor, divided by a norm.
    norm = np.linalg.norm(x, axis=1 if mode == "rows" else 0, keepdims=True)
    allowed = 1e-14 * 0.1 / np.maximum(norm, 1e-7)
    assert (np.abs(gradient - expected_gradient) <= allowed).all()
    assert (np.abs(expected_gradient) > 1e6 * allowed).any()


def test_names_give_the_defaults_of_keras_and_none_gives_none():
    for name in ("l1", "l2", "l1l2", "L1", "L2", "L1L2", "orthogonal_regularizer"):
        ours, theirs = from_config(name), keras.regularizers.get(name)
        assert type(ours).__name__ == type(theirs).__name__
        for key, value in theirs.get_config().items():
            assert getattr(ours, key) == (value if key == "mode" else float(np.float32(value)))
    assert from_config(None) is None


@each_row(
    "call, message",
    [
        *(
            (partial(make, value), r"=.*: expected a finite number of at least 0")
            for make in (L1, L2, OrthogonalRegularizer)
            for value in (-0.1, float("nan"), float("inf"), "0.1")
        ),
        (
            lambda: OrthogonalRegularizer(mode="diagonal"),
            "mode='diagonal': expected 'rows' or 'columns'",
        ),
        (
            lambda: OrthogonalRegularizer()(torch.ones(2, 3, 4)),
            r"x has shape \(2, 3, 4\): expected a matrix",
        ),
        (lambda: from_config("l3"), r"regularizer 'l3': expected one of \['L1'"),
    ],
)
def test_a_mistake_is_an_error_that_says_what_was_expected(call, message):
    with pytest.raises(ValueError, match=message):
        call()
