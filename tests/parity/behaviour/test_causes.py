"""Likely causes: for each one a history, made by hand, that a practitioner would blame on it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled_histories import LABELLED

from parity.behaviour.audit.findings import Finding
from parity.behaviour.causes import CAUSES, MAX_CAUSES, MIN_CONFIDENCE, Observations, rank
from parity.behaviour.rules import VERDICTS, Expectation, judge

FINDINGS = [
    "duplicates",
    "near_duplicates",
    "contradicting_labels",
    "missing_classes",
    "imbalance",
    "split_differs",
    "pixels_differ",
]


def history(train, val=None, *, loss=None, val_loss=None, rate=None):
    """Columns of equal length from an accuracy an epoch; validation follows training."""
    columns = {
        "loss": loss or [2.3 * (1 - accuracy) + 0.05 for accuracy in train],
        "accuracy": train,
        "val_loss": val_loss or [2.3 * (1 - accuracy) + 0.1 for accuracy in val or train],
        "val_accuracy": val or train,
    }
    if rate is not None:
        columns["learning_rate"] = rate if isinstance(rate, list) else [rate] * len(train)
    return columns


def ranked(columns, *findings, **known):
    judgement = judge(columns, Expectation(**known))
    found = {name: Finding(name, "high", f"the data have {name}") for name in findings}
    return rank(Observations(judgement.verdict, judgement, columns, found, known.get("num_train")))


# Flat from the fourth epoch on, and still on the way at the end.
PLATEAU = [0.30, 0.45, 0.55, 0.60, 0.61, 0.61, 0.61, 0.61]
RISING = [0.20, 0.30, 0.38, 0.45, 0.51, 0.57, 0.62, 0.67]
CREEPING = [0.10, 0.10, 0.11, 0.11, 0.12, 0.12, 0.12, 0.13]
STUCK = [0.10, 0.11, 0.10, 0.11, 0.10, 0.11, 0.10, 0.11]
BY_HEART = [0.60, 0.80, 0.90, 0.97, 0.99, 1.00, 1.00, 1.00]
LAGGING = [0.55, 0.68, 0.74, 0.77, 0.78, 0.78, 0.78, 0.78]
GUESSING = [0.10, 0.09, 0.11, 0.10, 0.10, 0.09, 0.11, 0.10]
ABSENT = [0.0] * 8  # classes that training never saw
LEAKED = {"loss": [1.2, 0.6, 0.3, 0.1, 0.05, 0.02, 0.01, 0.01]}
LEAKED["val_loss"] = LEAKED["loss"]
TEN = {"num_classes": 10, "num_train": 5000, "num_val": 1000}
SMALL = {**TEN, "num_train": 300}

BLAMED = {
    "low_learning_rate": (history(CREEPING, rate=1e-6), [], TEN),
    "high_learning_rate": (
        history([0.3, 0.2, 0.1, 0.1], loss=[5.0, 40.0, 300.0, 2000.0], rate=0.1),
        [],
        TEN,
    ),
    "broken_numbers": (
        history([0.5, 0.6, 0.1], loss=[1.5, 1.1, math.nan], val_loss=[1.4, 1.2, math.nan]),
        [],
        TEN,
    ),
    "too_few_epochs": (history(RISING, rate=1e-3), [], TEN),
    "too_little_capacity": (history(PLATEAU, rate=1e-3), [], TEN),
    "unsuitable_architecture": (history(STUCK, rate=1e-3), [], TEN),
    "strong_regularisation": (
        history([0.10, 0.12, 0.12, 0.13, 0.13, 0.13, 0.13, 0.13], [0.16] * 8, rate=1e-3),
        [],
        TEN,
    ),
    "noisy_labels": (history(PLATEAU), ["contradicting_labels"], TEN),
    "imbalance": (history([0.80] * 8, rate=1e-3), ["imbalance"], TEN),
    "too_little_data": (history(BY_HEART, LAGGING), [], SMALL),
    "too_large_network": (history(BY_HEART, LAGGING), [], TEN),
    "memorised_noise": (history(BY_HEART, GUESSING), [], {**SMALL, "num_val": 100}),
    "leakage": (history(BY_HEART, **LEAKED), [], TEN),
    "biased_split": (history(BY_HEART, ABSENT), [], TEN),
    "other_preprocessing": (
        history(BY_HEART, [0.2] * 8, val_loss=[40.0, 45.0, 50.0, 55.0, 60.0, 65.0, 70.0, 75.0]),
        ["pixels_differ"],
        TEN,
    ),
    "trained_too_long": (
        history(BY_HEART, LAGGING, val_loss=[1.1, 0.8, 0.75, 0.8, 0.9, 1.0, 1.1, 1.2]),
        [],
        TEN,
    ),
    "unstable_validation": (
        history(BY_HEART, [0.55, 0.30, 0.72, 0.41, 0.78, 0.35, 0.80, 0.55]),
        [],
        TEN,
    ),
}


def test_every_cause_has_a_history_that_shows_it():
    assert sorted(BLAMED) == sorted(cause.id for cause in CAUSES)


@pytest.mark.parametrize("name", BLAMED)
def test_a_history_that_shows_a_cause_ranks_it_first(name):
    columns, findings, known = BLAMED[name]
    first, *others = ranked(columns, *findings, **known)
    assert first.cause.id == name
    # Alone in the first place, not first by the order of the table.
    assert all(other.confidence < first.confidence for other in others)


@pytest.mark.parametrize(
    ("rate", "is_first"),
    [(1e-6, True), (4.9e-5, True), (5e-4, False), (1e-3, False), (None, True)],
)
def test_a_rate_that_is_high_enough_is_not_blamed_first(rate, is_first):
    assert (ranked(history(STUCK, rate=rate), **TEN)[0].cause.id == "low_learning_rate") == is_first


def check(entries, verdict):
    confidences = [entry.confidence for entry in entries]
    assert confidences == sorted(confidences, reverse=True)
    assert all(MIN_CONFIDENCE <= confidence <= 1 for confidence in confidences)
    assert sum(confidences) <= 1 + 1e-9
    assert len(entries) <= MAX_CAUSES
    assert len({entry.cause.id for entry in entries}) == len(entries)
    assert (entries == ()) == (verdict in ("good_fit", "undecided"))
    assert all(entry.cause.weights[verdict] > 0 for entry in entries)


@pytest.mark.parametrize(
    ("columns", "known", "label"),
    [case[1:] for case in LABELLED],
    ids=[case[0] for case in LABELLED],
)
@pytest.mark.parametrize("findings", [[], FINDINGS], ids=["no findings", "every finding"])
def test_confidences_are_shares_in_order_on_labelled_histories(columns, known, label, findings):
    check(ranked(columns, *findings, **known), label)


@given(
    columns=st.dictionaries(
        st.sampled_from(
            [
                "loss",
                "accuracy",
                "val_loss",
                "val_accuracy",
                "eval_loss",
                "eval_accuracy",
                "learning_rate",
                "x",
            ]
        ),
        st.lists(st.floats(), max_size=8),
    ),
    findings=st.sets(st.sampled_from(FINDINGS)),
    num_classes=st.none() | st.integers(2, 100),
    num_train=st.none() | st.integers(1, 10_000),
    num_val=st.none() | st.integers(1, 1000),
)
def test_any_history_has_causes_in_order(columns, findings, num_classes, num_train, num_val):
    known = {"num_classes": num_classes, "num_train": num_train, "num_val": num_val}
    check(ranked(columns, *findings, **known), judge(columns, Expectation(**known)).verdict)


def test_causes_explain_bad_verdicts_only_and_each_is_explained():
    bad = set(VERDICTS) - {"good_fit", "undecided"}
    explained = {verdict for cause in CAUSES for verdict, weight in cause.weights.items() if weight}
    assert explained == bad


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.id)
def test_a_cause_says_why_and_what_to_try(cause):
    assert cause.reason.endswith(".")
    assert cause.remedies
    assert not cause.title.endswith(".")
    assert all(told == "" for _, factor, told in cause.signs if factor < 1)
    assert all(told for _, factor, told in cause.signs if factor > 1)


def order(columns, **known):
    return [entry.cause.id for entry in ranked(columns, **known)]


def test_one_class_that_is_always_named_is_blamed_on_imbalance():
    first = ranked(history([0.9, 0.95, 0.95, 0.95], [0.95] * 4, val_loss=[0.3, 0.2, 0.2, 0.2]))[0]
    assert (first.cause.id, first.signs) == ("imbalance", ("one class is always named",))


def test_a_loss_that_jumps_points_to_the_rate_and_a_flat_one_does_not():
    jumping = history(STUCK, loss=[2.3, 2.8, 2.2, 2.9, 2.3, 2.7, 2.2, 2.9], rate=0.05)
    flat = history([0.1] * 8, loss=[2.4] + [2.3026] * 7)
    assert order(jumping, **TEN)[0] == "high_learning_rate"
    assert order(flat, **TEN)[0] == "unsuitable_architecture"
