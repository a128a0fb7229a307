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


def test_the_layer_in_front_is_multiplied_and_nothing_else():
    steps = [dense("first"), activation(0, [-1.0, 3.0])]
    assert factors_for(steps) == pytest.approx({"first.kernel": 3.0, "first.bias": 3.0})


def test_numbers_that_are_beyond_already_change_nothing():
    assert factors_for([dense("first"), activation(0, [-1.0, 7.0]), dense("last", 1)]) == {}


def test_what_has_no_weights_is_gone_through():
    steps = [
        dense("left"),
        dense("right"),
        Step("add", [0, 1], []),
        Step("zero_padding", [2], []),
        activation(3, [2.0]),
    ]
    found = factors_for(steps)
    assert set(found) == {"left.kernel", "left.bias", "right.kernel", "right.bias"}
    assert set(found.values()) == {4.5}


def test_a_normalisation_without_a_scale_is_gone_through():
    """Its beta alone cannot make the numbers larger."""
    norm = Step("batch_norm", [0], ["norm.beta", "norm.moving_mean", "norm.moving_variance"])
    found = factors_for([dense("first"), norm, activation(1, [3.0])])
    assert set(found) == {"first.kernel", "first.bias"}


def test_what_grows_in_front_is_taken_into_account():
    """By hand: the first makes 6 of 9 where it made 3; so the second gets 8 where it got 4."""
    steps = [
        dense("first"),
        activation(0, [3.0]),
        dense("second", 1),
        activation(2, [4.0]),
    ]
    assert set(factors_for(steps)) == {"first.kernel", "first.bias"}


def test_a_sigmoid_and_the_end_keep_the_size_of_their_numbers():
    steps = [
        dense("first"),
        activation(0, [3.0]),
        dense("second", 1),
        activation(2, [0.5, -0.5], np.tanh, ()),
        dense("last", 1),
    ]
    found = factors_for(steps)
    assert found["second.kernel"] == pytest.approx(0.5)
    assert found["last.kernel"] == pytest.approx(0.5)
    assert "last.bias" not in found


def test_an_activation_of_the_inputs_themselves_is_left():
    assert factors_for([activation(-1, [1.0])]) == {}


def test_gates_get_larger_numbers_by_the_weights_of_their_layer():
    own = ["gru.gru_cell/kernel", "gru.gru_cell/recurrent_kernel", "gru.gru_cell/bias"]
    gates = Step("gru", [-1], own, np.array([-2.0, 2.0]), None, (-3.0, 3.0))
    assert factors_for([gates]) == pytest.approx({own[0]: 2.25, own[2]: 2.25})


def test_numbers_of_one_sign_do_not_go_beyond_the_other_limit():
    assert factors_for([dense("first"), activation(0, [1.0, 2.0], limits=(-3.0,))]) == {}


def test_an_activation_without_a_limit_may_have_an_aim():
    step = activation(0, [-4.0, 4.0], lambda x: np.maximum(x, 0), (), least=8.0)
    assert factors_for([dense("first"), step])["first.kernel"] == pytest.approx(3.0)


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
    ("given", "limits"),
    [([[-1.0], [2.0]], (0.0,)), ([[-1.0], [2.0]], (0.0, 6.0)), ([[1.0], [2.0]], ())],
    ids=["both signs", "a factor will do", "no limit"],
)
def test_other_numbers_stay_where_they_are(given, limits):
    assert moves_for([dense("first"), activation(0, given, limits=limits)]) == {}


def test_without_a_bias_in_front_nothing_is_moved():
    steps = [Step("dense", [-1], ["first.kernel"]), activation(0, [[1.0]], limits=(0.0,))]
    assert moves_for(steps) == {}
