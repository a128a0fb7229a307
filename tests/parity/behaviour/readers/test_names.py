"""Names of other programs, as Keras 3's."""

import pytest

from parity.behaviour.readers.tables import keras_names, validation_names


@pytest.mark.parametrize("prefix", ["val_", "valid_", "validation_", "dev_", "eval_", "test_"])
def test_each_prefix_of_validation_becomes_that_of_keras(prefix):
    columns = {"train_loss": 1, f"{prefix}loss": 2, f"{prefix}acc": 3, f"{prefix}f1": 4}
    names = ["loss", "val_loss", "val_accuracy", f"{prefix}f1"]
    assert keras_names(columns) == dict(zip(names, (1, 2, 3, 4), strict=True))


def test_only_the_first_prefix_means_validation():
    columns = {"loss": 1, "val_loss": 2, "eval_loss": 3, "test_loss": 4}
    assert (keras_names(columns), validation_names(columns)) == (columns, [])


def test_what_says_eval_or_test_and_is_taken_as_validation_is_told():
    assert validation_names(["loss", "test_loss", "test_acc", "test_f1"]) == [
        "test_loss",
        "test_acc",
    ]


def test_plurals_are_the_same_numbers():
    columns = {"train_losses": 1, "val_losses": 2, "train_accuracies": 3, "val_accuracies": 4}
    assert list(keras_names(columns)) == ["loss", "val_loss", "accuracy", "val_accuracy"]
