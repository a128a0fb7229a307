"""Keras 3's names for the columns of a history, from the names that other programs give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

# Keras 3's names, each with its other names in the order of preference. Upper and lower case are
# the same.
ALIASES = {
    "loss": ("train_loss", "training_loss", "losses", "train_losses", "training_losses"),
    "accuracy": (
        "acc",
        "binary_accuracy",
        "categorical_accuracy",
        "sparse_categorical_accuracy",
        "train_accuracy",
        "train_acc",
        "training_accuracy",
        "training_acc",
        "accuracies",
        "train_accuracies",
        "acc1",
    ),
    "learning_rate": ("lr",),
}
# The first prefix that occurs means validation. Runs of this project have "eval_" beside "val_" for
# training in eval mode. Alone, it is what other programs call validation.
VALIDATION = ("val_", "valid_", "validation_", "dev_", "eval_", "test_")
# What a verdict is made from.
JUDGED = ("loss", "accuracy", "val_loss", "val_accuracy", "eval_loss", "eval_accuracy")
UNDERSTOOD = (*JUDGED, "learning_rate")

_Value = TypeVar("_Value")


def keras_names(columns: Mapping[str, _Value]) -> dict[str, _Value]:
    """Returns the same columns, with names of `ALIASES` replaced by Keras 3's."""
    names = _new_names(columns)
    return {names.get(name, name): column for name, column in columns.items()}


def taken_as_validation(names: Iterable[str]) -> list[str]:
    """Returns those names that say "eval" or "test" and are taken as validation."""
    new = _new_names(dict.fromkeys(names))
    return [name for name in new if name.lower().startswith(("eval_", "test_"))]


def _new_names(columns: Mapping[str, object]) -> dict[str, str]:
    by_lower = {name.lower(): name for name in columns}
    names = {}
    for prefix in ("", _validation(by_lower)):
        for keras_name, aliases in ALIASES.items():
            target = ("val_" if prefix else "") + keras_name
            candidates = [prefix + name for name in (keras_name, *aliases)]
            found = next((by_lower[name] for name in candidates if name in by_lower), None)
            if found is not None and target not in columns:
                names[found] = target
    return names


def _validation(names: Iterable[str]) -> str:
    """Returns the prefix of validation."""
    found = (prefix for prefix in VALIDATION if any(n.startswith(prefix) for n in names))
    return next(found, VALIDATION[0])
