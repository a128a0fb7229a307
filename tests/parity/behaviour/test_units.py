"""The unit of accuracies."""

import math

import pytest

from parity.behaviour.rules import in_fractions


def test_fractions_stay_as_they_are_without_a_note():
    history = {"accuracy": [0.5, 1.0000001], "val_accuracy": [0.0, 1.0], "loss": [90.0, 2.0]}
    assert in_fractions(history) == (history, ())


def test_a_column_beyond_one_puts_all_accuracies_in_percent():
    columns, notes = in_fractions({"accuracy": [0.5, 12.0], "val_accuracy": [0.8, 0.9]})
    assert columns["accuracy"] == [0.005, pytest.approx(0.12)]
    assert columns["val_accuracy"] == [0.008, pytest.approx(0.009)]
    assert notes == ("accuracies are in percent: accuracy, val_accuracy",)


def test_two_units_that_may_be_meant_leave_no_accuracy():
    history = {"accuracy": [0.5, 0.95], "val_accuracy": [50.0, 93.0], "loss": [1.0, 0.1]}
    columns, (note,) = in_fractions(history)
    assert columns == {"loss": [1.0, 0.1]}
    assert note == (
        "no accuracy is used: accuracy is at most 0.95 and another one reaches 93, so that one may "
        "be a fraction and the other in percent"
    )


@pytest.mark.parametrize(("wrong", "told"), [(-0.5, "-0.5"), (101.0, "101")])
def test_what_no_accuracy_can_be_is_not_used(wrong, told):
    columns, notes = in_fractions({"accuracy": [0.5, wrong], "val_accuracy": [0.5, 0.6]})
    assert columns == {"val_accuracy": [0.5, 0.6]}
    assert notes == (f"accuracy is not used: no accuracy is {told}",)


def test_values_that_were_not_measured_say_nothing_about_the_unit():
    columns, notes = in_fractions({"accuracy": [math.nan, 50.0]})
    assert math.isnan(columns["accuracy"][0])
    assert columns["accuracy"][1] == 0.5
    assert notes == ("accuracies are in percent: accuracy",)
