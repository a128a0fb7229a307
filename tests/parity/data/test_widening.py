"""By what weights are multiplied so that activations get numbers beyond their limits."""

import numpy as np
import pytest
from rows import each_row

from parity.data.pieces import Step, factors_for, moves_for


def relu6(x):
    return np.clip(x, 0, 6)


def activation(source, given, function=relu6, limits=(6.0,), **settings):
    return Step("activation:relu6", [source], [], np.array(given), function, limits, **settings)


def dense(name, source=-1):
    return Step("dense", [source], [f"{name}.kernel", f"{name}.bias"])


def both(name, factor):
    return {f"{name}.kernel": factor, f"{name}.bias": factor}


GRU = ["gru.gru_cell/kernel", "gru.gru_cell/recurrent_kernel", "gru.gru_cell/bias"]
NORM = ["norm.beta", "norm.moving_mean", "norm.moving_variance"]
FACTORS = {
    "the layer in front is multiplied and nothing else": (
        [dense("first"), activation(0, [-1.0, 3.0])],
        both("first", 3.0),
    ),
    "numbers that are beyond already change nothing": (
        [dense("first"), activation(0, [-1.0, 7.0]), dense("last", 1)],
        {},
    ),
    "what has no weights is gone through": (
        [
            *(dense("left"), dense("right"), Step("add", [0, 1], [])),
            *(Step("zero_padding", [2], []), activation(3, [2.0])),
        ],
        both("left", 4.5) | both("right", 4.5),
    ),
    # Its beta alone cannot make the numbers larger.
    "a normalisation without a scale is gone through": (
        [dense("first"), Step("batch_norm", [0], NORM), activation(1, [3.0])],
        both("first", 3.0),
    ),
    # By hand: the first makes 6 of 9 where it made 3; so the second gets 8 where it got 4.
    "what grows in front is taken into account": (
        [dense("first"), activation(0, [3.0]), dense("second", 1), activation(2, [4.0])],
        both("first", 3.0),
    ),
    "a sigmoid and the end keep the size of their numbers": (
        [
            *(dense("first"), activation(0, [3.0]), dense("second", 1)),
            *(activation(2, [0.5, -0.5], np.tanh, ()), dense("last", 1)),
        ],
        both("first", 3.0) | both("second", 0.5) | {"last.kernel": 0.5},
    ),
    "an activation of the inputs themselves is left": ([activation(-1, [1.0])], {}),
    "gates get larger numbers by the weights of their layer": (
        [Step("gru", [-1], GRU, np.array([-2.0, 2.0]), None, (-3.0, 3.0))],
        {GRU[0]: 2.25, GRU[2]: 2.25},
    ),
    "numbers of one sign do not go beyond the other limit": (
        [dense("first"), activation(0, [1.0, 2.0], limits=(-3.0,))],
        {},
    ),
    "an activation without a limit may have an aim": (
        [
            dense("first"),
            activation(0, [-4.0, 4.0], lambda x: np.maximum(x, 0), (), least=8.0),
        ],
        both("first", 3.0),
    ),
}


@each_row(("steps", "expected"), FACTORS.values(), ids=FACTORS)
def test_weights_are_multiplied_until_numbers_are_beyond_the_limits(steps, expected):
    assert factors_for(steps) == pytest.approx(expected)


def test_numbers_of_one_sign_are_moved_so_that_half_of_each_unit_is_below_zero():
    """By hand: of 1, 2, 4, 5 the middle is 3; of 7, 7, 7, 8 nothing is between the middle ones.

    Of the others, no more than half of the way to the last number is free.
    """
    given = [
        [1.0, 7.0, 0.46, 1.0, 5.0],
        [2.0, 7.0, 0.50, 7.0, 5.0],
        [4.0, 7.0, 0.52, 7.0, 5.0],
        [5.0, 8.0, 0.60, 7.0, 5.0],
    ]
    found = moves_for([dense("first"), activation(0, given, limits=(0.0,))])
    assert list(found) == ["first.bias"]
    assert found["first.bias"].tolist() == pytest.approx([-3.0, -7.1, -0.56, -6.9, -5.1])


@each_row(
    ("layer", "given", "limits"),
    [
        (dense("first"), [[-1.0], [2.0]], (0.0,)),
        (dense("first"), [[-1.0], [2.0]], (0.0, 6.0)),
        (dense("first"), [[1.0], [2.0]], ()),
        (Step("dense", [-1], ["first.kernel"]), [[1.0]], (0.0,)),
    ],
    ids=["both signs", "a factor will do", "no limit", "no bias"],
)
def test_other_numbers_stay_where_they_are(layer, given, limits):
    assert moves_for([layer, activation(0, given, limits=limits)]) == {}
