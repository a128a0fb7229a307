"""A diagnosis from a file is that of its history, whatever the file says of it."""

import json

import pytest
from changes import changed

from parity.behaviour.diagnosis import diagnose
from parity.behaviour.result_file import diagnosis_from
from parity.data.load import load_data
from parity.errors import InputError

HISTORY = {
    "loss": [1.5, 0.5, 0.05, 0.01],
    "accuracy": [0.5, 0.8, 0.98, 1.0],
    "val_loss": [1.4, 0.9, 1.2, 1.6],
    "val_accuracy": [0.5, 0.7, 0.72, 0.71],
}
GOOD = {**HISTORY, "val_loss": [1.4, 0.5, 0.1, 0.1], "val_accuracy": [0.5, 0.8, 0.97, 0.99]}
FOUND = {
    "overfit": diagnose(HISTORY),
    "good": diagnose(GOOD, num_classes=10),
    "sizes": diagnose(HISTORY, num_classes=10, num_train=600, num_val=200),
    "older levels": diagnose({name: HISTORY[name] for name in ("loss", "accuracy")}),
    "diverged": diagnose({**HISTORY, "loss": [1.5, float("nan"), float("nan"), float("nan")]}),
    "no epoch": diagnose({}),
    "data": diagnose(HISTORY, load_data(train=200, val=100)),
}


def told(name):
    return json.loads(json.dumps(FOUND[name].to_json()))


@pytest.mark.parametrize("name", FOUND)
def test_what_was_written_comes_back(name):
    assert diagnosis_from(told(name), "here").to_json() == FOUND[name].to_json()


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("overfit", ("verdict",), "good_fit"),
        ("overfit", ("judgement", "verdict"), "good_fit"),
        ("data", ("judgement", "verdict"), "good_fit"),
        ("data", ("judgement", "gap_error"), 0.5),
        ("sizes", ("judgement", "gap"), 0.0),
        ("good", ("judgement", "num_epochs"), 5),
    ],
)
def test_what_follows_from_the_history_is_computed_whatever_the_file_says(name, place, value):
    found = diagnosis_from(changed(told(name), place, value), "here")
    assert found.to_json() == FOUND[name].to_json()


def test_a_history_that_was_changed_is_judged_as_it_stands():
    content = told("good")
    for column in ("val_loss", "val_accuracy"):
        content["history"][column] = HISTORY[column]
    assert diagnosis_from(content, "here").verdict == "overfit"


def test_the_verdict_stands_where_the_file_lacks_the_number_of_samples_that_it_rests_on():
    content = changed(told("sizes"), ("judgement", "verdict"), "undecided")
    assert diagnosis_from(content, "here").verdict == "undecided"


def test_a_damaged_history_is_refused_in_one_line():
    with pytest.raises(InputError) as caught:
        diagnosis_from(changed(told("good"), ("history", "loss", 1), None), "here")
    assert str(caught.value).endswith("history.loss[1] is None; expected a number, or one of "
                                      "'NaN', 'Infinity', '-Infinity'")  # fmt: skip
