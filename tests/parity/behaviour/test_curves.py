"""The columns of a history and their levels."""

import math

import pytest

from parity.behaviour.rules import Curves, Expectation, variance

NAN = math.nan


def curves(known=None, /, **columns):
    return Curves(columns, Expectation(**known or {}))


def test_a_history_is_as_long_as_its_longest_column():
    assert curves().num_epochs == 0
    assert curves(loss=[1.0, 0.5], val_loss=[1.0]).num_epochs == 2


def test_what_is_missing_has_no_level_and_no_gap():
    nothing = curves()
    assert (nothing.train, nothing.val, nothing.gap, nothing.chance) == (None,) * 4
    assert curves(accuracy=[0.5]).gap is None
    validation = curves(val_accuracy=[0.5])
    assert (validation.train, validation.val, validation.gap) == (None, 0.5, None)


@pytest.mark.parametrize(
    ("known", "chance"),
    [
        ({}, None),
        ({"num_classes": 4}, 0.25),
        ({"chance": 0.3}, 0.3),
        ({"chance": 0.3, "num_classes": 4}, 0.3),
    ],
)
def test_guessing_is_right_in_an_even_share_if_nothing_else_is_known(known, chance):
    assert curves(known).chance == chance


@pytest.mark.parametrize(
    ("length", "level"),
    [
        *((3, 4), (7, 36), (8, (36 + 49) / 2), (9, (49 + 64) / 2)),
        (23, (324 + 361 + 400 + 441 + 484) / 5),
        (24, (361 + 400 + 441 + 484 + 529) / 5),
    ],
)
def test_a_level_is_a_mean_of_a_quarter_of_the_epochs_and_of_five_at_most(length, level):
    assert curves(loss=[float(number**2) for number in range(length)]).level("loss") == level


@pytest.mark.parametrize("epoch", range(8))
def test_the_level_of_a_chosen_epoch_is_its_value(epoch):
    squares = [float(number**2) for number in range(8)]
    assert curves({"epoch": epoch}, loss=squares).level("loss") == epoch**2


def test_where_nothing_was_measured_at_the_end_the_last_measured_value_is_the_level():
    assert curves(loss=[1.0, 2.0, 3.0, NAN]).level("loss") == 3.0
    assert curves(loss=[NAN]).level("loss") is None


def test_what_was_not_measured_up_to_the_chosen_epoch_has_no_fall_and_no_rise():
    chosen = curves({"epoch": 0}, loss=[NAN, 1.0], val_loss=[NAN, 1.0])
    assert chosen.fall("loss") is None
    assert (chosen.best_epoch, chosen.val_loss_rise) == (None, None)


@pytest.mark.parametrize(
    ("val_loss", "expected"),
    [
        ([3.0, 0.5, 0.5, 0.75], (1, 1.5)),
        ([NAN, 2.0, 4.0], (1, 2.0)),
        ([1.0, 0.0, 1.0], (1, None)),
        ([1.0, -0.5, 1.0], (1, None)),
        ([], (None, None)),
    ],
)
def test_a_rise_is_the_level_in_units_of_the_lowest_validation_loss(val_loss, expected):
    found = curves(val_loss=val_loss)
    assert (found.best_epoch, found.val_loss_rise) == expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([], None),
        ([5.0], None),
        # The first epoch ends at 2.0, and nine tenths of the second one's fall end at 1.1.
        ([2.0, 1.0], 1.9),
        ([NAN, 2.0, 1.0], None),
        ([2.0, NAN, 1.0], None),
        # A twentieth of the first loss is no fall.
        ([20.0, 19.0], None),
        ([-20.0, -21.0], None),
        ([-20.0, -30.0], 1.9),
        # Nine tenths are reached at 2, in the second epoch.
        ([20.0, 2.0, 2.0, 0.0], 2.0),
    ],
)
def test_the_plateau_begins_after_nine_tenths_of_the_fall(loss, expected):
    assert curves(loss=loss).epochs_to_plateau() == (expected and pytest.approx(expected))


@pytest.mark.parametrize(
    ("known", "columns"),
    [
        ({"num_val": 10}, {"accuracy": [0.5]}),
        ({"num_val": 10}, {"val_accuracy": [0.5]}),
        ({"num_train": 10}, {"accuracy": [0.5], "val_accuracy": [0.5]}),
    ],
    ids=["no validation", "no training", "unknown number"],
)
def test_what_is_not_known_has_no_interval_of_the_gap(known, columns):
    assert curves(known, **columns).gap_error is None


def test_the_fall_of_a_loss_is_measured_to_its_level():
    assert curves(loss=[2.0, 1.5, 1.0, 0.5]).fall("loss") == pytest.approx(0.75)
    assert curves(loss=[math.nan, 2.0, 1.0]).fall("loss") == pytest.approx(0.5)
    assert curves(loss=[1.0]).fall("val_loss") is None
    assert curves(loss=[0.5, 0.25]).fall("loss") == 0.5
    assert curves(loss=[0.0, 1.0]).fall("loss") is None
    assert curves(loss=[-1.0, -2.0]).fall("loss") is None


def test_a_running_mean_has_validation_as_its_lower_bound_and_eval_mode_has_not():
    running = curves(accuracy=[0.5], val_accuracy=[0.75])
    assert (running.running, running.train, running.gap) == (0.5, 0.75, 0.0)
    measured = curves(accuracy=[0.5], eval_accuracy=[0.625], val_accuracy=[0.75])
    assert (measured.running, measured.train, measured.gap) == (0.625, 0.625, -0.125)


def test_an_accuracy_of_exact_hits_is_dropped_at_one_percent_and_half_the_loss():
    falling = {"loss": [1.0, 0.49]}
    assert curves(accuracy=[0.0, 0.01], **falling).train is None
    assert curves(accuracy=[0.0, 0.005], **falling).train is None
    assert curves(accuracy=[0.0, 0.011], **falling).train == 0.011
    assert curves(accuracy=[0.0, 0.01], loss=[1.0, 0.5]).train == 0.01
    assert curves(accuracy=[0.0, 0.01], loss=[3.0, 9.0, 1.4]).train is None
    assert curves(accuracy=[0.0, 0.01], loss=[3.0, 9.0, 1.6]).train == 0.01
    assert curves(accuracy=[0.0, 0.01]).train == 0.01


def test_half_a_sample_keeps_the_variance_above_zero():
    assert variance(1.0, 10) == pytest.approx(0.05 * 0.95 / 10)
    assert variance(0.0, 10) == pytest.approx(0.05 * 0.95 / 10)
    assert variance(0.5, 100) == pytest.approx(0.0025)


def test_several_outputs_have_the_level_of_each_column_that_there_is():
    known = {"outputs": ("a", "b")}
    columns = {"loss": [2.0, 1.0], "val_a_accuracy": [0.5, 0.75], "val_c_accuracy": [1.0, 1.0]}
    assert curves(known, **columns).of_outputs("val_{}_accuracy") == {"a": 0.75}
    assert curves(**columns).of_outputs("val_{}_accuracy") is None
