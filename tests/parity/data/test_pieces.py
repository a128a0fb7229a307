"""Where the slope of an activation jumps, and how far numbers have to go."""

import math
import warnings

import numpy as np
import pytest
from rows import each_row

from parity.data.pieces import MOST_FACTOR, factor_beyond, limits_of, missing

LIMITS = {
    "relu6": (lambda x: np.clip(x, 0, 6), [0, 6]),
    "hard sigmoid": (lambda x: np.clip(x / 6 + 0.5, 0, 1), [-3, 3]),
    "hard sigmoid of Keras 2": (lambda x: np.clip(x / 5 + 0.5, 0, 1), [-2.5, 2.5]),
    "hard tanh": (lambda x: np.clip(x, -1, 1), [-1, 1]),
    "hard silu": (lambda x: x * np.clip(x / 6 + 0.5, 0, 1), [-3, 3]),
    "soft shrink": (lambda x: np.sign(x) * np.maximum(np.abs(x) - 0.5, 0), [-0.5, 0.5]),
    "between the numbers of the grid": (lambda x: np.minimum(x, 3.1234), [3.1234]),
    "a step": (lambda x: np.where(x > 1.3, x, 0), [1.3]),
    "of pixels": (lambda x: np.clip(x, 0, 255), [0, 255]),
    "one that warns": (lambda x: warnings.warn("of it", stacklevel=1) or np.clip(x, 0, 6), [0, 6]),
    "relu": (lambda x: np.maximum(x, 0), [0]),
    "leaky relu": (lambda x: np.where(x > 0, x, 0.3 * x), [0]),
    "absolute": (np.abs, [0]),
    "selu": (lambda x: 1.0507 * np.where(x > 0, x, 1.67326 * np.expm1(np.minimum(x, 0))), [0]),
    "elu, which bends at once": (lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))), [0]),
    "square of relu": (lambda x: np.maximum(x, 0) ** 2, [0]),
    "softsign": (lambda x: x / (1 + np.abs(x)), [0]),
}
WITHOUT = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "gelu": lambda x: 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "softplus": lambda x: np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0),
    "exponential": np.exp,
    "square": np.square,
    "a staircase": np.round,
    "softmax, which is none of single numbers": lambda x: np.exp(x) / np.exp(x).sum(),
    "a sum": np.sum,
}


@each_row("name", LIMITS)
def test_limits_are_where_the_slope_jumps(name):
    function, expected = LIMITS[name]
    assert limits_of(function) == pytest.approx(expected, abs=1 / 64)


@each_row("name", WITHOUT)
def test_a_smooth_function_has_none(name):
    assert limits_of(WITHOUT[name]) == []


def test_a_function_that_raises_has_none():
    def function(x):
        raise TypeError("(4, 3) expected")

    assert limits_of(function) == []


@each_row(
    ("limits", "low", "high", "factor"),
    [
        ([0, 6.0], -2.0, 3.0, 3.0),  # to 9, one and a half times the limit
        ([6.0], -2.0, 6.5, 1.0),
        ([-3.0, 3.0], -4.0, 1.5, 3.0),
        ([-3.0, 3.0], -1.0, 1.5, 4.5),  # the farther one
        ([-3.0], 0.0, 1.0, MOST_FACTOR),  # no factor makes a number negative
        ([], -1.0, 1.0, 1.0),
    ],
)
def test_numbers_are_multiplied_until_some_are_beyond(limits, low, high, factor):
    assert factor_beyond(limits, low, high) == pytest.approx(factor)


@each_row(
    ("limits", "numbers", "left"),
    [
        ([0, 6.0], [-2.0, 3.0], ["above 6"]),
        ([0, 6.0], [-2.0, 3.0, 6.5], []),
        ([0, 6.0], [1.0, 2.0], ["below 0", "above 6"]),
        ([0, 6.0], [-1.0, 7.0], ["from 0 to 6"]),
        ([0], [0.0, 0.01], ["below 0", "above 0"]),  # on no side, clearly
        ([3.0, -3.0], [-4.0, 1.5], ["above 3"]),
        ([], [1.0], []),
    ],
)
def test_a_piece_without_a_number_is_told(limits, numbers, left):
    assert missing(limits, np.array(numbers)) == left
