"""A history, and its data, to a verdict and causes."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from helpers import make_data
from hypothesis import given
from hypothesis import strategies as st
from schemas import assert_valid

from parity.behaviour.diagnosis import diagnose
from parity.behaviour.rules import ACCURACIES, VERDICTS, Expectation, judge
from parity.data.load import load_data
from parity.errors import InputError

SIZES = {"train": 600, "val": 200, "test": 50, "seed": 3}

# What is trained on these data ends like this.
GOOD_FIT = {
    "loss": [0.9, 0.4, 0.3, 0.25],
    "accuracy": [0.7, 0.88, 0.92, 0.94],
    "val_loss": [0.6, 0.4, 0.35, 0.33],
    "val_accuracy": [0.8, 0.88, 0.9, 0.92],
}
# By heart after many passes: an easy task would be known on new images after three.
LEAKED = {
    "loss": [1.9, 0.9, 0.6, 0.2, 0.05, 0.01],
    "accuracy": [0.3, 0.7, 0.8, 0.95, 0.99, 1.0],
    "val_loss": [1.4, 0.7, 0.5, 0.15, 0.04, 0.01],
    "val_accuracy": [0.5, 0.75, 0.85, 0.97, 1.0, 1.0],
}
OTHER_CLASSES = {
    "loss": [0.9, 0.3, 0.1, 0.05],
    "accuracy": [0.7, 0.9, 0.97, 0.99],
    "val_loss": [6.0, 8.0, 9.0, 10.0],
    "val_accuracy": [0.0, 0.0, 0.0, 0.0],
}


def strict(diagnosis):
    """What a strict reader of JSON gets, who looks into the schema too."""
    assert_valid(diagnosis.to_json())
    return json.loads(json.dumps(diagnosis.to_json(), allow_nan=False))


@pytest.mark.parametrize(
    ("spoiled", "columns", "finding", "cause"),
    [
        ({"leakage": 1.0}, LEAKED, "duplicates", "leakage"),
        ({"split": "sorted"}, OTHER_CLASSES, "split_differs", "biased_split"),
        ({"split": "sorted"}, OTHER_CLASSES, "missing_classes", "biased_split"),
    ],
    ids=["leakage", "sorted split", "missing classes"],
)
def test_what_is_wrong_with_the_data_is_found_and_blamed_first(spoiled, columns, finding, cause):
    found = diagnose(columns, load_data("embedded", **SIZES, **spoiled))
    assert finding in {entry.id for entry in found.findings}
    first = found.causes[0]
    assert first.cause.id == cause
    assert "the data show it" in first.signs
    # Without the data the curves alone are less sure of it.
    alone = {entry.cause.id: entry.confidence for entry in diagnose(columns).causes}
    assert first.confidence > alone.get(cause, 0.0)


def test_nothing_is_found_in_an_honest_split_and_a_good_fit_has_no_cause():
    found = diagnose(GOOD_FIT, load_data("embedded", **SIZES))
    assert (found.judgement.verdict, found.findings, found.causes) == ("good_fit", (), ())
    assert found.audit is not None


def test_a_good_fit_on_leaked_data_is_suspicious():
    found = diagnose(GOOD_FIT, load_data("embedded", **SIZES, leakage=1.0))
    assert (found.judgement.verdict, found.verdict) == ("good_fit", "suspicious")
    assert [entry.id for entry in found.findings] == ["duplicates"]
    assert found.causes[0].cause.id == "leakage"


def test_what_the_reader_and_the_units_say_is_told():
    percent = {"accuracy": [50.0, 95.0], "val_accuracy": [50.0, 94.0]}
    found = diagnose(percent, notes=["the last epoch did not end"])
    notes = ["the last epoch did not end", "accuracies are in percent: accuracy, val_accuracy"]
    assert (found.verdict, strict(found)["notes"]) == ("good_fit", notes)


def test_sizes_and_classes_are_those_of_the_data():
    data = make_data((8, 8, 1), num_classes=4, num_train=40, num_val=20)
    found = diagnose(GOOD_FIT, data, num_classes=99, num_train=1, num_val=1)
    known = Expectation(num_classes=4, chance=0.25, num_train=40, num_val=20)
    assert found.judgement == judge(GOOD_FIT, known)


def test_guessing_is_the_most_frequent_class_of_training():
    even = make_data((8, 8, 1), num_classes=2, num_train=40, num_val=20)
    uneven = replace(even, y_train=np.array([1] * 10 + [0] * 30))
    assert diagnose(GOOD_FIT, uneven).judgement.chance == 0.75


def test_what_is_known_without_data_is_used():
    found = diagnose(GOOD_FIT, num_classes=10, num_train=600, num_val=20, target=0.95)
    known = Expectation(num_classes=10, target=0.95, num_train=600, num_val=20)
    assert found.judgement == judge(GOOD_FIT, known)
    assert (found.judgement.verdict, found.judgement.chance) == ("underfit", 0.1)
    assert found.judgement.gap_error is not None


def test_the_json_has_all_that_was_found():
    found = diagnose(LEAKED, load_data("embedded", **SIZES, leakage=1.0))
    written = strict(found)
    assert set(written) == {
        "schema",
        "verdict",
        "judgement",
        "causes",
        "findings",
        "audit",
        "history",
        "notes",
    }
    assert written["schema"] == "parity.diagnosis/2"
    assert written["verdict"] == written["judgement"]["verdict"] == "suspicious"
    first = written["causes"][0]
    assert set(first) == {
        "id",
        "title",
        "confidence",
        "signs",
        "reason",
        "confirm",
        "remedies",
    }
    assert (first["id"], first["confidence"]) == ("leakage", found.causes[0].confidence)
    (finding,) = written["findings"]
    assert (finding["id"], finding["severity"]) == ("duplicates", "high")
    assert written["audit"]["schema"] == "parity.audit/2"
    assert (written["audit"]["val_copies"]["count"], written["history"]) == (SIZES["val"], LEAKED)


@pytest.mark.parametrize(
    ("value", "text"), [(math.nan, "NaN"), (math.inf, "Infinity"), (-math.inf, "-Infinity")]
)
def test_numbers_that_json_lacks_are_strings(value, text):
    written = strict(diagnose({"loss": [1.0, value], "accuracy": [0.5, 0.1]}))
    assert (written["verdict"], written["history"]["loss"]) == ("diverged", [1.0, text])


@pytest.mark.parametrize("target", [math.nan, math.inf, -0.5, 1.5])
def test_a_target_that_is_no_accuracy_is_refused(target):
    with pytest.raises(InputError, match="expected an accuracy, a fraction in"):
        diagnose({"accuracy": [0.5, 0.9]}, target=target)


@given(
    columns=st.dictionaries(
        st.sampled_from(["loss", "accuracy", "val_loss", "val_accuracy", "eval_accuracy"])
        | st.text(max_size=5),
        st.lists(st.floats(), max_size=8),
    ),
    num_classes=st.none() | st.integers(2, 100),
    num_train=st.none() | st.integers(1, 10_000),
    num_val=st.none() | st.integers(1, 1000),
    target=st.floats(0, 1),
)
def test_any_history_gets_a_verdict_and_strict_json_or_has_an_accuracy_below_zero(
    columns, num_classes, num_train, num_val, target
):
    if any(value < 0 for key in ACCURACIES for value in columns.get(key, ())):
        with pytest.raises(InputError, match="expected accuracies of at least 0"):
            diagnose(columns)
        return
    found = diagnose(
        columns, num_classes=num_classes, num_train=num_train, num_val=num_val, target=target
    )
    written = strict(found)
    assert written["verdict"] in VERDICTS
    assert sum(cause["confidence"] for cause in written["causes"]) <= 1 + 1e-9
