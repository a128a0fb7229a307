"""Logs as Keras and others print them, pasted into a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_files import read_or_refused, reading, refused

KERAS_2 = """\
Train on 33600 samples, validate on 8400 samples
Epoch 1/2
32800/33600 [===========================>.] - ETA: 0s - loss: 0.61 - acc: 0.8120Epoch 00000: val_loss improved from inf to 0.18105, saving model
33600/33600 [==============================] - 3s 12ms/step - loss: 0.6038 - acc: 0.8141 - val_loss: 0.1810 - val_acc: 0.9432
Epoch 2/2
33600/33600 [==============================] - 2s - loss: 2.2e-1 - acc: 0.9338 - val_loss: nan - val_acc: 0.0000e+00
"""  # noqa: E501
KERAS_3 = (
    "Epoch 1/3\n"
    "\r\x1b[1m  1/938\x1b[0m \x1b[37m━━━\x1b[0m \x1b[1m9s\x1b[0m 9ms/step - accuracy: 0.1"
    " - loss: 2.3\b\b\b\b"
    "\r\x1b[1m938/938\x1b[0m \x1b[32m━━━\x1b[0m 5s 3ms/step - accuracy: 0.85 - loss: 0.5 - "
    "val_accuracy: 0.9 - val_loss: 0.4 - learning_rate: 0.0010\n"
    "Epoch 2/3\n"
    "938/938 - 5s - 3ms/step - accuracy: 0.9 - loss: 0.25 - val_accuracy: 0.95 - val_loss: 0.125 - "
    "learning_rate: 0.0010\n"
    "Epoch 3/3\n"
    " 100/938 ━━━ 3s 3ms/step - accuracy: 0.91 - loss: 0.2"
)
OTHERS = """\
2025-04-24 21:16:20,207 - INFO - Class weights: [1.02, 9.4]
2025-04-24 21:17:53,828 - INFO - Epoch [1/50], Train Loss: 1.5, Train Acc: 20.5%, Val Loss: 1.9, Val Acc: 17.25%
2025-04-24 21:17:53,829 - INFO - Saved best model
2025-04-24 21:19:45,876 - INFO - Epoch [2/50], Train Loss: 1.25, Train Acc: 22.5%, Val Loss: 1.8, Val Acc: 24.75%
"""  # noqa: E501


@pytest.fixture
def path(tmp_path):
    return tmp_path / "training.log"


def test_a_log_of_keras_2_is_its_history(path):
    found = reading(path, KERAS_2)
    assert str(found.history) == str(
        {
            "loss": [0.6038, 0.22],
            "accuracy": [0.8141, 0.9338],
            "val_loss": [0.181, float("nan")],
            "val_accuracy": [0.9432, 0.0],
        }
    )
    assert found.notes == ()


def test_an_epoch_of_keras_3_that_did_not_end_is_left_out(path):
    found = reading(path, KERAS_3)
    assert found.history == {
        "accuracy": [0.85, 0.9],
        "loss": [0.5, 0.25],
        "val_accuracy": [0.9, 0.95],
        "val_loss": [0.4, 0.125],
        "learning_rate": [0.001, 0.001],
    }
    assert found.notes == ("the last epoch did not end and is left out",)


def test_lines_of_other_programs_are_read(path):
    assert reading(path, OTHERS).history == {
        "loss": [1.5, 1.25],
        "accuracy": [20.5, 22.5],
        "val_loss": [1.9, 1.8],
        "val_accuracy": [17.25, 24.75],
    }


def test_of_several_trainings_the_last_one_is_read(path):
    found = reading(path, KERAS_2.replace("0.6038", "9.0") + KERAS_2)
    assert found.history["loss"] == [0.6038, 0.22]
    assert found.notes == ("the log has 2 trainings, and the last one is read",)


@pytest.mark.parametrize(
    "text",
    [
        "[Epoch 1] Train loss: 0.5\n[Epoch 1] Val loss = 1.5\n[Epoch 2] Train loss: 0.25\n"
        "[Epoch 2] Val loss = 1.25\n",
        "epoch: 1 train_loss: 0.5 val_loss: 1.5\nepoch: 2 train_loss: 0.25 val_loss: 1.25\n",
        "Epoch 1: train loss: 0.5, val loss: 1.5\nEpoch 2: train loss: 0.25, val loss: 1.25\n"
        "Best epoch: 1, val loss: 1.0\nRestored the weights of epoch 1\n",
    ],
    ids=["in brackets", "after blanks", "with a summary"],
)
def test_epochs_are_found_however_they_are_named(path, text):
    found = reading(path, text)
    assert (found.history, found.notes) == ({"loss": [0.5, 0.25], "val_loss": [1.5, 1.25]}, ())


def test_text_without_epochs_is_refused(path):
    assert refused(path, "Epoch 1/2\nloss\n")


@given(
    st.lists(
        st.sampled_from(
            ["Epoch 1/2", "Epoch 2/2\r", " - loss: 0.5", "acc: x", "7/9 loss: nan", ":"]
        )
        | st.text(max_size=8),
        max_size=8,
    )
)
def test_any_printed_lines_are_read_or_refused(tmp_path_factory, lines):
    read_or_refused(tmp_path_factory.mktemp("fuzz") / "training.log", "\n".join(lines))
