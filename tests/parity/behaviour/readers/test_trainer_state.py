"""Logs of Hugging Face's Trainer."""

import math

import pytest
from read_files import read, reading, refused

LOGS = [
    {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 2e-5, "epoch": 0.5, "step": 5},
    {"loss": 0.5, "grad_norm": 3.0, "learning_rate": 1e-5, "epoch": 1.0, "step": 10},
    {"eval_loss": 0.75, "eval_accuracy": 0.5, "epoch": 1.0, "step": 10},
    {"loss": 0.25, "grad_norm": 1.0, "learning_rate": 1e-6, "epoch": 2.0, "step": 20},
    {"eval_loss": 0.5, "eval_accuracy": 0.75, "epoch": 2.0, "step": 20},
    {"train_loss": 0.4, "train_runtime": 9.0, "epoch": 2.0, "step": 20},
    {"eval_loss": 9.0, "eval_accuracy": 0.1, "epoch": 2.0, "step": 20},
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trainer_state.json"


@pytest.mark.parametrize("content", [{"log_history": LOGS, "epoch": 2.0}, LOGS])
def test_a_row_is_an_evaluation_with_the_mean_of_the_training_before(path, content):
    found = reading(path, content)
    assert found.history == {
        "loss": [0.75, 0.25],
        "grad_norm": [2.0, 1.0],
        "learning_rate": [1e-5, 1e-6],
        "val_loss": [0.75, 0.5],
        "val_accuracy": [0.5, 0.75],
    }
    assert found.notes == (
        "1 more evaluations of the same step are left out",
        'a row is an evaluation of Trainer; "eval_" is validation',
        "the mean of what was logged in one evaluation: loss, grad_norm",
        "not used for the verdict: grad_norm",
    )


def test_without_an_evaluation_a_row_is_an_epoch(path):
    training = [log for log in LOGS if "loss" in log]
    assert read(path, {"log_history": training})["loss"] == [0.75, 0.25]


def test_training_after_the_last_evaluation_is_left_out_and_told(path):
    found = reading(path, LOGS[:4])
    assert found.history["val_loss"] == [0.75]
    assert "1 logs after the last evaluation are left out" in found.notes


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
def test_what_is_no_number_is_refused(path, log, told):
    assert told in refused(path, {"log_history": [log]})
