"""Signs of causes, each at its limit."""

import math

import pytest

from parity.behaviour import signs
from parity.behaviour.judgement import Expectation, Judgement
from parity.behaviour.rules import judge


def seen(sign, **columns):
    judgement = judge(columns, Expectation())
    return sign(signs.Observations(judgement.verdict, judgement, columns, {}, None))


@pytest.mark.parametrize(
    ("val_loss", "is_seen"),
    [
        ([1.0, 0.5, 0.55, 0.61], True),
        ([1.0, 0.5, 0.55, 0.60], False),  # 1.2 times is the noise of good fits
        ([1.0, 0.7, 0.5, 0.61], False),  # lowest after the first half
    ],
)
def test_validation_turned(val_loss, is_seen):
    assert seen(signs.validation_turned, loss=[1.0, 0.5, 0.2, 0.1], val_loss=val_loss) == is_seen


@pytest.mark.parametrize(("peak", "is_seen"), [(0.84, True), (0.825, False)])
def test_accuracy_peaked(peak, is_seen):
    columns = {"accuracy": [0.5, 0.8, 0.9, 0.95], "val_accuracy": [0.5, peak, 0.8, 0.8]}
    assert seen(signs.accuracy_peaked, **columns) == is_seen


@pytest.mark.parametrize(
    ("val", "is_seen"),
    [
        ([0.5, 0.6, 0.7, 0.6, 0.7, 0.6], True),
        ([0.5, 0.6, 0.67, 0.6, 0.67, 0.6], False),  # steps of 0.07
        ([0.1, 0.3, 0.5, 0.7, 0.9, 0.95], False),  # rises, and does not jump
    ],
)
def test_validation_jumps(val, is_seen):
    assert seen(signs.validation_jumps, accuracy=val, val_accuracy=val) == is_seen


@pytest.mark.parametrize(("first", "is_seen"), [(0.29, True), (0.31, False)])
def test_apart_from_the_start(first, is_seen):
    columns = {"accuracy": [0.5, 0.8, 0.9], "val_accuracy": [first, 0.3, 0.3]}
    assert seen(signs.apart_from_the_start, **columns) == is_seen


def test_percent_is_seen_as_fractions():
    columns = {"accuracy": [50.0, 80.0, 90.0], "val_accuracy": [29.0, 30.0, 30.0]}
    assert seen(signs.apart_from_the_start, **columns)


@pytest.mark.parametrize(("loss", "is_seen"), [(1.39, True), (1.38, False)])
def test_a_penalty_is_more_than_accuracy_explains(loss, is_seen):
    # All right at the loss of a half each is log 2 = 0.693, twice: 1.386.
    assert seen(signs.has_penalty, accuracy=[0.9, 1.0], loss=[3.0, loss]) == is_seen


def test_a_flat_loss_and_one_that_jumps():
    assert seen(signs.loss_is_flat, loss=[2.5, 2.3026, 2.3026, 2.3027])
    assert not seen(signs.loss_is_flat, loss=[2.5, 2.30, 2.29, 2.28])
    assert seen(signs.loss_jumps, loss=[2.0, 2.2, 1.9, 2.1, 1.8])
    assert not seen(signs.loss_jumps, loss=[2.0, 1.9, 1.8, 1.85, 1.7])


def observed(columns=None, *, num_train=None, findings=(), rule="none", num_epochs=4, **judged):
    """Observations of which a test gives only what its sign looks at."""
    judgement = Judgement("good_fit", rule, "", num_epochs, **judged)
    return signs.Observations(
        "good_fit", judgement, columns or {}, dict.fromkeys(findings), num_train
    )


def test_a_column_has_finite_values_only():
    seen = observed({"loss": [math.nan, 2.0, math.inf, 1.0], "accuracy": [50.0, math.nan]})
    assert (seen.column("loss"), seen.column("val_loss")) == ([2.0, 1.0], [])
    assert seen.column("accuracy") == [0.5]


@pytest.mark.parametrize(
    ("length", "gain"), [(2, None), (3, 4 - 1), (8, 49 - 25), (9, 64 - 36), (13, 144 - 81)]
)
def test_the_late_gain_is_that_of_the_last_quarter_and_at_least_of_one_epoch(length, gain):
    squares = [float(number**2) for number in range(length)]
    assert observed({"loss": squares}).late_gain("loss") == gain


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"accuracy": [0.0, 0.0, 0.01]}, False),
        ({"accuracy": [0.0, 0.0, 0.011]}, True),
        # The accuracy decides where there is one.
        ({"accuracy": [0.5, 0.5, 0.5], "loss": [3.0, 2.0, 1.0]}, False),
        # A twentieth of the first loss.
        ({"loss": [20.0, 10.0, 9.0]}, False),
        ({"loss": [20.0, 10.0, 9.25]}, False),
        ({"loss": [20.0, 10.0, 8.9]}, True),
        ({"loss": [-20.0, -30.0, -30.5]}, False),
        ({"loss": [-20.0, -30.0, -31.5]}, True),
        ({"loss": [20.0, 10.0]}, False),
        ({}, False),
    ],
)
def test_training_improves_as_long_as_it_gains_in_its_last_quarter(columns, expected):
    assert observed(columns).is_improving is expected
    assert signs.is_flat(observed(columns)) is not expected
    assert not any(signs.is_flat(observed(columns, num_epochs=number)) for number in (2, 3))


def test_findings_and_rules_are_looked_up_by_name():
    either = signs.has_finding("leak", "copies")
    assert either(observed(findings=["copies"]))
    assert not either(observed(findings=["others"]))
    either = signs.is_rule("gap", "turned")
    assert either(observed(rule="turned"))
    assert not either(observed(rule="none"))


def test_the_first_rate_is_the_first_that_was_measured():
    assert signs.first_rate(observed({"learning_rate": [math.nan, 0.1, 0.2]})) == 0.1
    assert signs.first_rate(observed()) is None


@pytest.mark.parametrize(
    ("rate", "is_below", "is_from"),
    [(None, False, False), (0.5, True, False), (1.0, False, True), (2.0, False, True)],
)
def test_a_rate_is_below_a_limit_or_from_it_on(rate, is_below, is_from):
    assert signs.is_below(rate, 1.0) is is_below
    assert signs.is_from(rate, 1.0) is is_from


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ([], False),
        ([10.0, 0.5], False),
        ([10.0, 0.5, 0.5], True),
        ([10.0, 1.0, 0.5], False),
        ([10.0, 5.0, 0.5], False),
        ([10.0, 10.0, 0.9, 0.9], True),
        ([10.0, 10.0, 0.9, 0.9, 0.9], True),
        ([10.0, 10.0, 10.0, 0.9, 0.9], False),
    ],
)
def test_a_rate_is_cut_early_if_it_falls_below_a_tenth_in_the_first_half(rates, expected):
    assert signs.was_cut_early(observed({"learning_rate": rates})) is expected


def test_three_epochs_are_short():
    assert signs.is_short(observed(num_epochs=1))
    assert signs.is_short(observed(num_epochs=3))
    assert not signs.is_short(observed(num_epochs=4))


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        ([0.5, 1.0, 0.97], [0.5, 0.9, 1.0], True),
        ([0.5, 0.9, 0.98], [0.5, 0.9, 1.0], False),
        ([0.5, 0.9, 0.99], [0.5, 0.9, 1.0], False),
        ([], [0.5, 0.9, 1.0], False),
        ([0.5], [], False),
    ],
)
def test_training_below_validation_has_dropout(train, val, expected):
    columns = {"accuracy": train, "val_accuracy": val}
    assert signs.trains_below_validation(observed(columns)) is expected


@pytest.mark.parametrize(
    ("chance", "val", "expected"),
    [
        *((0.5, 0.55, False), (0.5, 0.54, True), (0.5, 0.6, False)),
        *((None, 0.1, False), (0.5, None, False)),
    ],
)
def test_validation_within_a_twentieth_of_guessing_is_at_chance(chance, val, expected):
    assert signs.is_at_chance(observed(chance=chance, val_accuracy=val)) is expected


@pytest.mark.parametrize(
    ("number", "is_small", "is_large"),
    [(None, False, False), (999, True, False), (1000, False, True), (1001, False, True)],
)
def test_a_thousand_training_samples_are_many(number, is_small, is_large):
    assert signs.is_small(observed(num_train=number)) is is_small
    assert signs.is_large(observed(num_train=number)) is is_large


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([3.0, 6.0], False),
        ([3.0, 6.5], True),
        ([3.0, 9.0, 5.5], False),
        ([1.0, 9.0, 3.0], True),
        ([-1.0], False),
        ([], False),
    ],
)
def test_a_loss_that_ends_at_more_than_twice_its_first_has_exploded(loss, expected):
    assert signs.loss_exploded(observed({"loss": loss})) is expected


@pytest.mark.parametrize(
    ("rule", "chance", "val", "expected"),
    [
        ("one_class", 0.25, 0.2, False),
        ("one_class", 0.25, 0.3, False),
        ("one_class", 0.25, 0.31, True),
        ("one_class", None, 0.55, False),
        ("one_class", None, 0.56, True),
        ("one_class", 0.25, None, False),
        ("none", 0.25, 0.9, False),
        ("turned", 0.25, 0.9, False),
    ],
)
def test_the_largest_class_is_right_more_often_than_an_even_share(rule, chance, val, expected):
    found = observed(rule=rule, chance=chance, val_accuracy=val)
    assert signs.names_the_largest_class(found) is expected


@pytest.mark.parametrize(
    ("best", "num_epochs", "rise", "expected"),
    [
        (1, 4, 1.21, True),
        (2, 4, 1.21, True),
        (2, 4, 1.2, False),
        (2, 4, 1.1, False),
        (3, 4, 2.0, False),
        (3, 5, 2.0, False),
        (3, 6, 2.0, True),
        (1, 3, 2.0, False),
        (None, 4, 2.0, False),
        (1, 4, None, False),
    ],
)
def test_validation_that_was_best_early_and_is_a_fifth_worse_has_turned(
    best, num_epochs, rise, expected
):
    found = observed(num_epochs=num_epochs, best_epoch_number=best, val_loss_rise=rise)
    assert signs.validation_turned(found) is expected


@pytest.mark.parametrize(
    ("column", "level", "expected"),
    [
        ([0.0, 0.03, 0.0, 0.0], 0.0, False),
        ([0.0, 0.031, 0.0, 0.0], 0.0, True),
        ([0.0, 0.5, 0.0], 0.0, False),
        ([0.5, 0.0], 0.0, False),
        ([0.5, 0.5, 0.5, 0.5], 0.5, False),
        ([0.0, 0.5, 0.0, 0.0], None, False),
    ],
)
def test_a_peak_is_more_than_the_noise_above_the_level(column, level, expected):
    found = observed({"val_accuracy": column}, val_accuracy=level)
    assert signs.accuracy_peaked(found) is expected


JUMPS = {
    "too short": ([0.0, 0.5, 0.0, 0.5], False),
    "long enough": ([0.5, 0.5, 0.0, 0.5, 0.0], True),
    # Without the first step, from which a net learns most.
    "the first step is left out": ([0.0, 0.5, 0.5, 0.5, 0.0], False),
    "at the limit": ([0.0, 0.0, 0.08, 0.0, 0.08], False),
    "above the limit": ([0.0, 0.0, 0.09, 0.0, 0.09], True),
    # The median of four is the third.
    "half of the steps": ([0.0, 0.0, 0.0, 0.0, 0.5, 0.0], True),
    "fewer steps": ([0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 0.0], False),
    # A quarter of the epochs fall.
    "one fall of eight": ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.5], False),
    "two falls of eight": ([0.0, 0.1, 0.2, 0.1, 0.2, 0.3, 0.4, 0.3], True),
    "the first fall counts": ([0.9, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.5], True),
    "what stays does not fall": ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.4], False),
}


@pytest.mark.parametrize(("column", "expected"), JUMPS.values(), ids=JUMPS)
def test_validation_jumps_if_half_of_its_steps_are_large_and_a_quarter_fall(column, expected):
    assert signs.validation_jumps(observed({"val_accuracy": column})) is expected


@pytest.mark.parametrize(
    ("train", "val", "expected"),
    [
        ([0.2, 1.0], [0.0, 0.0], False),
        ([0.21, 1.0], [0.0, 0.0], True),
        ([0.5, 1.0], [0.25, 0.8], False),
        ([0.5, 1.0], [0.25, 0.79], True),
        ([0.5, 1.0], [0.25, 0.9], False),
        ([0.5, 1.0], [0.4, 0.4], False),
        ([0.5, 1.0], [0.4, 0.1], False),
        ([], [0.1], False),
        ([0.9], [], False),
    ],
)
def test_validation_is_apart_from_the_first_epoch_to_the_best(train, val, expected):
    columns = {"accuracy": train, "val_accuracy": val}
    assert signs.apart_from_the_start(observed(columns)) is expected


@pytest.mark.parametrize(
    ("accuracy", "loss", "expected"),
    [
        # Half right: log(2000) = 7.60090.
        (0.5, 7.6005, False),
        (0.5, 7.6014, True),
        # 2 (log(1000) / 4 + log(2) 3 / 4) = 4.49360.
        (0.75, 4.4931, False),
        (0.75, 4.4941, True),
        (1.0, 1.39, True),
        (0.49, 100.0, False),
        (1.0000005, 100.0, False),
    ],
)
def test_a_penalty_is_more_than_twice_what_the_last_accuracy_explains(accuracy, loss, expected):
    columns = {"accuracy": [0.9, 0.9, accuracy], "loss": [0.1, 0.1, loss]}
    assert signs.has_penalty(observed(columns)) is expected


def test_a_penalty_is_not_seen_without_a_loss_or_an_accuracy():
    assert not signs.has_penalty(observed({"accuracy": [0.9]}))
    assert not signs.has_penalty(observed({"loss": [9.0]}))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([5.0, 1000.0, 1001.0, 1002.0], True),
        ([5.0, 1000.0, 1001.0, 1002.002], False),
        ([5.0, 1000.0, 1002.002, 1001.0], False),
        ([5.0, 1002.0, 1001.0, 1000.0], True),
        ([5.0, -1000.0, -1001.0, -1002.0], True),
        ([5.0, 1000.0, 1000.0, 1000.0], True),
        ([5.0, 1000.0, 1000.0], False),
        ([5.0, 1000.0], False),
        ([], False),
    ],
)
def test_a_loss_is_flat_if_it_stays_within_a_fifth_of_a_percent_after_the_first_epoch(
    loss, expected
):
    assert signs.loss_is_flat(observed({"loss": loss})) is expected


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ([20.0, 21.5], False),
        ([20.0, 21.5, 20.0, 20.0], False),
        ([20.0, 21.5, 20.0, 21.5, 20.0], True),
        ([20.0, 21.5, 20.0, 20.0, 20.0], True),
        ([20.0, 21.0, 20.0, 20.0, 20.0], False),
        ([20.0, 21.5, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0], False),
        ([20.0, 21.5, 20.0, 21.5, 20.0, 20.0, 20.0, 20.0], True),
    ],
)
def test_a_loss_jumps_if_it_rises_by_a_twentieth_in_a_quarter_of_the_epochs(loss, expected):
    assert signs.loss_jumps(observed({"loss": loss})) is expected
