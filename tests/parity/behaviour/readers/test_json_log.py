"""JSON of other programs: lists beside scalars, logs by epoch; what is left out is told."""

import pytest
from read_files import read, reading, refused


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.json"


def test_what_stands_beside_the_lists_is_left_out_and_told(path):
    content = {
        "classes": ["happy", "sad"],
        "config": {"epochs": 3},
        "test_accuracy": 0.5,
        "phase_starts": [0, 2],
        "train_loss": [3.0, 2.0, 1.0],
        "bleu": [0.1, 0.2, 0.3],
    }
    found = reading(path, content)
    assert found.history == {"loss": [3.0, 2.0, 1.0], "bleu": [0.1, 0.2, 0.3]}
    assert found.notes == (
        "not a number per epoch, left out: classes, config, test_accuracy, phase_starts",
        "not used for the verdict: bleu",
    )


def test_a_judged_name_that_is_no_list_is_refused(path):
    assert "has 0.5 under 'val_loss'" in refused(path, {"loss": [2.0, 1.0], "val_loss": 0.5})


@pytest.mark.parametrize("key", ["{}", "epoch_{}", "Epoch {}".lower()])
def test_logs_by_epoch_are_ordered_by_their_number(path, key):
    content = {key.format(n): {"loss": float(n), "note": "x"} for n in (10, 2, 1)}
    assert read(path, content) == {"loss": [1.0, 2.0, 10.0]}


def test_test_columns_are_validation_if_nothing_else_is_and_that_is_told(path):
    content = {"train_loss": [1.0], "test_loss": [2.0], "test_acc": [50.0]}
    found = reading(path, content)
    assert found.history == {"loss": [1.0], "val_loss": [2.0], "val_accuracy": [50.0]}
    assert found.notes == ("taken as validation: test_loss, test_acc",)
    beside = read(path, {**content, "valid_loss": [3.0]})
    assert beside == {"loss": [1.0], "val_loss": [3.0], "test_loss": [2.0], "test_acc": [50.0]}
