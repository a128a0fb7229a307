"""Signs of causes, each at its limit."""

import math

import pytest
from rows import each_row

from parity.behaviour import causes
from parity.behaviour.rules import Expectation, Judgement, judge


def seen(sign, **columns):
    judgement = judge(columns, Expectation())
    return sign(causes.Observations(judgement.verdict, judgement, columns, {}, None))


def test_percent_is_seen_as_fractions():
    columns = {"accuracy": [50.0, 80.0, 90.0], "val_accuracy": [29.0, 30.0, 30.0]}
    assert seen(causes.apart_from_the_start, **columns)


def observed(columns=None, *, num_train=None, findings=(), rule="none", num_epochs=4, **judged):
    """Observations of which a test gives only what its sign looks at."""
    judgement = Judgement("good_fit", rule, "", num_epochs, **judged)
    return causes.Observations(
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
    assert causes.is_flat(observed(columns)) is not expected
    assert not any(causes.is_flat(observed(columns, num_epochs=number)) for number in (2, 3))


def test_the_first_rate_is_the_first_that_was_measured():
    assert causes.first_rate(observed({"learning_rate": [math.nan, 0.1, 0.2]})) == 0.1
    assert causes.first_rate(observed()) is None


@pytest.mark.parametrize(
    ("rate", "is_below", "is_from"),
    [(None, False, False), (0.5, True, False), (1.0, False, True), (2.0, False, True)],
)
def test_a_rate_is_below_a_limit_or_from_it_on(rate, is_below, is_from):
    assert causes.is_below(rate, 1.0) is is_below
    assert causes.is_from(rate, 1.0) is is_from


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


SIGNS = [
    # findings and rules are looked up by name
    (causes.has_finding("leak", "copies"), {"findings": ["copies"]}, True),
    (causes.has_finding("leak", "copies"), {"findings": ["others"]}, False),
    (causes.is_rule("gap", "turned"), {"rule": "turned"}, True),
    (causes.is_rule("gap", "turned"), {"rule": "none"}, False),
    # a rate is cut early if it falls below a tenth in the first half
    *(
        (causes.was_cut_early, {"columns": {"learning_rate": rates}}, expected)
        for rates, expected in [
            ([], False),
            ([10.0, 0.5], False),
            ([10.0, 0.5, 0.5], True),
            ([10.0, 1.0, 0.5], False),
            ([10.0, 5.0, 0.5], False),
            ([10.0, 10.0, 0.9, 0.9], True),
            ([10.0, 10.0, 0.9, 0.9, 0.9], True),
            ([10.0, 10.0, 10.0, 0.9, 0.9], False),
        ]
    ),
    # three epochs are short
    (causes.is_short, {"num_epochs": 1}, True),
    (causes.is_short, {"num_epochs": 3}, True),
    (causes.is_short, {"num_epochs": 4}, False),
    # training below validation has dropout
    *(
        (
            causes.trains_below_validation,
            {"columns": {"accuracy": train, "val_accuracy": val}},
            expected,
        )
        for train, val, expected in [
            ([0.5, 1.0, 0.97], [0.5, 0.9, 1.0], True),
            ([0.5, 0.9, 0.98], [0.5, 0.9, 1.0], False),
            ([0.5, 0.9, 0.99], [0.5, 0.9, 1.0], False),
            ([], [0.5, 0.9, 1.0], False),
            ([0.5], [], False),
        ]
    ),
    # validation within a twentieth of guessing is at chance
    *(
        (causes.is_at_chance, {"chance": chance, "val_accuracy": val}, expected)
        for chance, val, expected in [
            *((0.5, 0.55, False), (0.5, 0.54, True), (0.5, 0.6, False)),
            *((None, 0.1, False), (0.5, None, False)),
        ]
    ),
    # a thousand training samples are many
    *(
        (causes.is_small, {"num_train": number}, is_small)
        for number, is_small, is_large in [
            (None, False, False),
            (999, True, False),
            (1000, False, True),
            (1001, False, True),
        ]
    ),
    *(
        (causes.is_large, {"num_train": number}, is_large)
        for number, is_small, is_large in [
            (None, False, False),
            (999, True, False),
            (1000, False, True),
            (1001, False, True),
        ]
    ),
    # a loss that ends at more than twice its first has exploded
    *(
        (causes.loss_exploded, {"columns": {"loss": loss}}, expected)
        for loss, expected in [
            ([3.0, 6.0], False),
            ([3.0, 6.5], True),
            ([3.0, 9.0, 5.5], False),
            ([1.0, 9.0, 3.0], True),
            ([-1.0], False),
            ([], False),
        ]
    ),
    # the largest class is right more often than an even share
    *(
        (
            causes.names_the_largest_class,
            {"rule": rule, "chance": chance, "val_accuracy": val},
            expected,
        )
        for rule, chance, val, expected in [
            ("one_class", 0.25, 0.2, False),
            ("one_class", 0.25, 0.3, False),
            ("one_class", 0.25, 0.31, True),
            ("one_class", None, 0.55, False),
            ("one_class", None, 0.56, True),
            ("one_class", 0.25, None, False),
            ("none", 0.25, 0.9, False),
            ("turned", 0.25, 0.9, False),
        ]
    ),
    # validation that was best early and is a fifth worse has turned
    *(
        (
            causes.validation_turned,
            {"num_epochs": num_epochs, "best_epoch_number": best, "val_loss_rise": rise},
            expected,
        )
        for best, num_epochs, rise, expected in [
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
        ]
    ),
    # a peak is more than the noise above the level
    *(
        (
            causes.accuracy_peaked,
            {"columns": {"val_accuracy": column}, "val_accuracy": level},
            expected,
        )
        for column, level, expected in [
            ([0.0, 0.03, 0.0, 0.0], 0.0, False),
            ([0.0, 0.031, 0.0, 0.0], 0.0, True),
            ([0.0, 0.5, 0.0], 0.0, False),
            ([0.5, 0.0], 0.0, False),
            ([0.5, 0.5, 0.5, 0.5], 0.5, False),
            ([0.0, 0.5, 0.0, 0.0], None, False),
        ]
    ),
    # validation jumps if half of its steps are large and a quarter fall
    *(
        (causes.validation_jumps, {"columns": {"val_accuracy": column}}, expected)
        for column, expected in JUMPS.values()
    ),
    # validation is apart from the first epoch to the best
    *(
        (
            causes.apart_from_the_start,
            {"columns": {"accuracy": train, "val_accuracy": val}},
            expected,
        )
        for train, val, expected in [
            ([0.2, 1.0], [0.0, 0.0], False),
            ([0.21, 1.0], [0.0, 0.0], True),
            ([0.5, 1.0], [0.25, 0.8], False),
            ([0.5, 1.0], [0.25, 0.79], True),
            ([0.5, 1.0], [0.25, 0.9], False),
            ([0.5, 1.0], [0.4, 0.4], False),
            ([0.5, 1.0], [0.4, 0.1], False),
            ([], [0.1], False),
            ([0.9], [], False),
        ]
    ),
    # a penalty is more than twice what the last accuracy explains
    *(
        (
            causes.has_penalty,
            {"columns": {"accuracy": [0.9, 0.9, accuracy], "loss": [0.1, 0.1, loss]}},
            expected,
        )
        for accuracy, loss, expected in [
            # Half right: log(2000) = 7.60090.
            (0.5, 7.6005, False),
            (0.5, 7.6014, True),
            # 2 (log(1000) / 4 + log(2) 3 / 4) = 4.49360.
            (0.75, 4.4931, False),
            (0.75, 4.4941, True),
            (1.0, 1.39, True),
            (0.49, 100.0, False),
            (1.0000005, 100.0, False),
        ]
    ),
    # a penalty is not seen without a loss or an accuracy
    (causes.has_penalty, {"columns": {"accuracy": [0.9]}}, False),
    (causes.has_penalty, {"columns": {"loss": [9.0]}}, False),
    # a loss is flat if it stays within a fifth of a percent after the first epoch
    *(
        (causes.loss_is_flat, {"columns": {"loss": loss}}, expected)
        for loss, expected in [
            ([5.0, 1000.0, 1001.0, 1002.0], True),
            ([5.0, 1000.0, 1001.0, 1002.002], False),
            ([5.0, 1000.0, 1002.002, 1001.0], False),
            ([5.0, 1002.0, 1001.0, 1000.0], True),
            ([5.0, -1000.0, -1001.0, -1002.0], True),
            ([5.0, 1000.0, 1000.0, 1000.0], True),
            ([5.0, 1000.0, 1000.0], False),
            ([5.0, 1000.0], False),
            ([], False),
        ]
    ),
    # a loss jumps if it rises by a twentieth in a quarter of the epochs
    *(
        (causes.loss_jumps, {"columns": {"loss": loss}}, expected)
        for loss, expected in [
            ([20.0, 21.5], False),
            ([20.0, 21.5, 20.0, 20.0], False),
            ([20.0, 21.5, 20.0, 21.5, 20.0], True),
            ([20.0, 21.5, 20.0, 20.0, 20.0], True),
            ([20.0, 21.0, 20.0, 20.0, 20.0], False),
            ([20.0, 21.5, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0], False),
            ([20.0, 21.5, 20.0, 21.5, 20.0, 20.0, 20.0, 20.0], True),
        ]
    ),
]


@each_row(("sign", "given", "expected"), SIGNS)
def test_a_sign_is_seen_up_to_its_limit(sign, given, expected):
    assert sign(observed(**given)) == expected
