"""The unit of accuracies."""

import math

import pytest

from parity.behaviour.rules import in_fractions

HISTORY = {"accuracy": [0.5, 1.0000001], "val_accuracy": [0.0, 1.0], "loss": [90.0, 2.0]}
# Columns, what of them is used, and what is told.
UNITS = {
    "fractions stay as they are": (HISTORY, HISTORY, ()),
    "a column beyond one puts all accuracies in percent": (
        {"accuracy": [0.5, 12.0], "val_accuracy": [0.8, 0.9]},
        {"accuracy": [0.005, pytest.approx(0.12)], "val_accuracy": [0.008, pytest.approx(0.009)]},
        ("accuracies are in percent: accuracy, val_accuracy",),
    ),
    "two units that may be meant leave no accuracy": (
        {"accuracy": [0.5, 0.95], "val_accuracy": [50.0, 93.0], "loss": [1.0, 0.1]},
        {"loss": [1.0, 0.1]},
        (
            "no accuracy is used: accuracy is at most 0.95 and another one reaches 93, so that one "
            "may be a fraction and the other in percent",
        ),
    ),
    **{
        f"what no accuracy can be is not used: {told}": (
            {"accuracy": [0.5, wrong], "val_accuracy": [0.5, 0.6]},
            {"val_accuracy": [0.5, 0.6]},
            (f"accuracy is not used: no accuracy is {told}",),
        )
        for wrong, told in ((-0.5, "-0.5"), (101.0, "101"))
    },
    "values that were not measured say nothing about the unit": (
        {"accuracy": [math.nan, 50.0]},
        {"accuracy": pytest.approx([math.nan, 0.5], nan_ok=True)},
        ("accuracies are in percent: accuracy",),
    ),
}


@pytest.mark.parametrize(("history", "columns", "notes"), UNITS.values(), ids=UNITS)
def test_accuracies_are_used_as_fractions(history, columns, notes):
    assert in_fractions(history) == (columns, notes)
