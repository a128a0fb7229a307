"""How far the learning rates of two trainings may be apart, and where they part."""

import numpy as np
import pytest

from parity.ladder.anchored_tolerance import Rounding, allowed_rates, compare_rates, parting
from parity.ladder.items import FAIL, PASS

ENDS = [2, 4, 6]
SCHEDULED, CONSTANT = Rounding(is_scheduled=True), Rounding(is_scheduled=False)
UNIT = 2.0**-23  # in the last place of a float32 of 1


def test_a_rate_may_differ_by_float32_and_by_four_units_of_the_largest_rate():
    found = allowed_rates(np.array([1.0, 0.5, 0.0]), SCHEDULED)
    assert found == pytest.approx([1.2e-7 + 4 * UNIT, 0.6e-7 + 4 * UNIT, 4 * UNIT], rel=1e-12)


def test_in_float32_each_change_of_the_rate_may_be_rounded():
    rates = np.array([1.0, 1.0, 0.5, 0.5, 0.25])
    by_changes = allowed_rates(rates, Rounding(in_float32=True)) - allowed_rates(rates, SCHEDULED)
    assert by_changes == pytest.approx([0, 0, 0.5 * UNIT, 0.5 * UNIT, 2 * 0.25 * UNIT], rel=1e-6)


def test_a_rate_that_callbacks_cut_is_as_near_as_it_is_small():
    rates = np.array([1e-3, 1e-3, 1e-6, 1e-6, 1e-10, 1e-10])
    assert allowed_rates(rates, CONSTANT) == pytest.approx(1.2e-7 * rates, rel=1e-12)
    wrong = rates * np.array([1, 1, 1, 1, 1.01, 1.01])
    item = compare_rates(rates, wrong, ENDS, CONSTANT)
    assert (item.status, item.step, item.epoch) == (FAIL, 5, 2)
    assert parting(rates, wrong, ENDS, CONSTANT) == 2
    # Of a schedule, which ends with a rate of nearly 0, that may be its rounding.
    assert compare_rates(rates, wrong, ENDS, SCHEDULED).status == PASS


def test_rates_of_zero_are_equal_to_none_but_themselves():
    zeros, other = np.zeros(6), np.zeros(6)
    assert compare_rates(zeros, other, ENDS, SCHEDULED).status == PASS
    other[3] = 1e-200
    assert compare_rates(zeros, other, ENDS, SCHEDULED).status == FAIL
    assert parting(zeros, other, ENDS, SCHEDULED) == 1


def test_the_first_step_with_another_rate_is_named_and_not_the_largest_difference():
    keras = np.full(6, 0.5)
    torch = keras.copy()
    torch[3:] = [0.25, 0.125, 0.125]
    item = compare_rates(keras, torch, ENDS, SCHEDULED)
    assert (item.status, item.name, item.unit) == (FAIL, "learning_rate", "rel")
    assert (item.epoch, item.step) == (1, 4)
    assert (item.keras, item.torch, item.worst) == (0.5, 0.25, 0.5)


def test_of_rates_that_agree_the_largest_difference_is_told():
    keras = np.full(6, 0.5)
    torch = keras.copy()
    torch[[1, 4]] += [1e-9, 2e-9]
    item = compare_rates(keras, torch, ENDS, SCHEDULED)
    assert (item.status, item.epoch, item.step) == (PASS, 2, 5)
    assert parting(keras, torch, ENDS, SCHEDULED) is None


def test_of_rates_that_agree_the_one_nearest_to_its_own_limit_is_told():
    """A fall of the rate makes the limit smaller, but for four units of the largest rate."""
    keras = np.array([1.0, 1.0, 0.25, 0.25])
    item = compare_rates(keras, keras + np.array([5e-7, 0, 4.6e-7, 0]), [2, 4], SCHEDULED)
    assert (item.status, item.step) == (PASS, 3)
    assert item.allowed == pytest.approx(1.2e-7 + 4 * UNIT / 0.25)
    assert item.worst == pytest.approx(4.6e-7 / 0.25)


@pytest.mark.parametrize(
    ("row", "epoch"), [(0, 0), (1, 0), (2, 1), (5, 2)], ids=["first", "second", "third", "last"]
)
def test_halves_part_in_the_epoch_of_the_step(row, epoch):
    keras = np.full(6, 0.5)
    torch = keras.copy()
    torch[row] *= 1.001
    assert parting(keras, torch, ENDS, SCHEDULED) == epoch
    assert compare_rates(keras, torch, ENDS, SCHEDULED).epoch == epoch


@pytest.mark.parametrize("length", [4, 8])
def test_of_trainings_of_different_lengths_the_steps_of_both_are_compared(length):
    keras, torch = np.full(6, 0.5), np.full(length, 0.5)
    assert compare_rates(keras, torch, ENDS, SCHEDULED).status == PASS
    assert parting(keras, torch, ENDS, SCHEDULED) is None


@pytest.mark.parametrize(("ours", "status"), [(0, PASS), (3, FAIL)])
def test_without_a_step_their_number_is_compared(ours, status):
    item = compare_rates(np.zeros(0), np.full(ours, 0.5), [], SCHEDULED)
    assert (item.name, item.status) == ("steps", status)
    assert (item.keras, item.torch) == (0, ours)


@pytest.mark.parametrize("value", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("half", ["keras", "torch", "both"])
@pytest.mark.parametrize("row", [0, 3])
def test_a_rate_that_is_not_finite_is_that_of_both_halves_or_a_difference(half, row, value):
    rates = {"keras": np.full(6, 0.5), "torch": np.full(6, 0.5)}
    for name in rates:
        if half in (name, "both"):
            rates[name][row] = value
    item = compare_rates(rates["keras"], rates["torch"], ENDS, SCHEDULED)
    if half == "both":
        assert item.status == PASS
        assert parting(rates["keras"], rates["torch"], ENDS, SCHEDULED) is None
    else:
        assert (item.status, item.step) == (FAIL, row + 1)
        assert parting(rates["keras"], rates["torch"], ENDS, SCHEDULED) == row // 2
