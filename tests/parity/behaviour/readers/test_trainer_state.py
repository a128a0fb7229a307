"""Logs of Hugging Face's Trainer."""

import json
import math

import pytest
from helpers import refusal

from parity.behaviour.readers.history import read_history, read_with_notes

LOGS = [
    {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 2e-5, "epoch": 0.5, "step": 5},
    {"loss": 0.5, "grad_norm": 3.0, "learning_rate": 1e-5, "epoch": 1.0, "step": 10},
    {"eval_loss": 0.75, "eval_accuracy": 0.5, "epoch": 1.0, "step": 10},
    {"loss": 0.25, "grad_norm": 1.0, "learning_rate": 1e-6, "epoch": 2.0, "step": 20},
    {"eval_loss": 0.5, "eval_accuracy": 0.75, "epoch": 2.0, "step": 20},
    {"train_loss": 0.4, "train_runtime": 9.0, "epoch": 2.0, "step": 20},
    {"eval_loss": 9.0, "eval_accuracy": 0.1, "epoch": 2.0, "step": 20},
]


def read(tmp_path, content):
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps(content))
    return read_with_notes(path)


@pytest.mark.parametrize("content", [{"log_history": LOGS, "epoch": 2.0}, LOGS])
def test_a_row_is_an_evaluation_with_the_mean_of_the_training_before(tmp_path, content):
    reading = read(tmp_path, content)
    assert reading.history == {
        "loss": [0.75, 0.25],
        "grad_norm": [2.0, 1.0],
        "learning_rate": [1e-5, 1e-6],
        "val_loss": [0.75, 0.5],
        "val_accuracy": [0.5, 0.75],
    }
    assert reading.notes == (
        "1 more evaluations of the same step are left out",
        'a row is an evaluation of Trainer; "eval_" is validation',
        "the mean of what was logged in one evaluation: loss, grad_norm",
        "not used for the verdict: grad_norm",
    )


def test_without_an_evaluation_a_row_is_an_epoch(tmp_path):
    training = [log for log in LOGS if "loss" in log]
    assert read(tmp_path, {"log_history": training}).history["loss"] == [0.75, 0.25]


def test_training_after_the_last_evaluation_is_left_out_and_told(tmp_path):
    reading = read(tmp_path, LOGS[:4])
    assert reading.history["val_loss"] == [0.75]
    assert "1 logs after the last evaluation are left out" in reading.notes


@pytest.mark.parametrize(
    ("log", "told"),
    [
        ({"step": 1, "epoch": math.nan, "loss": 1.0}, "epoch nan; expected finite numbers"),
        ({"step": math.inf, "epoch": 1.0, "loss": 1.0}, "step inf and"),
        ({"step": "one", "epoch": 1.0, "loss": 1.0}, "step 'one' and"),
        ({"step": 1, "epoch": 1.0, "loss": 10**400}, "thousands of digits"),
        ({"step": 1, "epoch": 1.0, "loss": "high"}, "no column of numbers"),
    ],
)
def test_what_is_no_number_is_refused(tmp_path, log, told):
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"log_history": [log]}))
    assert told in refusal(read_history, path)
