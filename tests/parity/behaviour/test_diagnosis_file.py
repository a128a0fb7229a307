"""A diagnosis from a file is that of its history, or it is refused in one line."""

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
    ("name", "changes", "message"),
    [
        ("overfit", {("verdict",): "good_fit"}, "verdict is 'good_fit', but by judgement and"),
        (
            "overfit",
            {("verdict",): "good_fit", ("judgement", "verdict"): "good_fit"},
            "judgement.verdict is 'good_fit', but its history gives 'overfit'",
        ),
        (
            "data",
            {("verdict",): "good_fit", ("judgement", "verdict"): "good_fit"},
            "judgement.verdict is 'good_fit', but its history gives 'overfit'",
        ),
        ("sizes", {("judgement", "gap"): 0.0}, "judgement.gap is 0.0, but its history gives 0."),
        ("good", {("history", "val_accuracy", 3): 0.2}, "judgement.val_accuracy is 0.99, but its"),
        ("good", {("history",): {}}, "judgement.num_epochs is 4, but its history gives 0"),
        ("good", {("judgement", "num_epochs"): 5}, "judgement.num_epochs is 5, but its history"),
    ],
)
def test_what_does_not_follow_from_the_history_is_refused(name, changes, message):
    content = told(name)
    for place, value in changes.items():
        content = changed(content, place, value)
    with pytest.raises(InputError) as caught:
        diagnosis_from(content, "here")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
