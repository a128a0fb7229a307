"""Accuracies below 0 are refused, whatever the unit."""

import math

import pytest

from parity.behaviour.rules import check_accuracies
from parity.errors import InputError


@pytest.mark.parametrize("key", ["accuracy", "val_accuracy", "eval_accuracy"])
def test_an_accuracy_below_zero_is_refused_with_its_place(key):
    with pytest.raises(InputError) as refused:
        check_accuracies({"loss": [-1.0], key: [0.5, math.nan, -0.25]}, "log.csv")
    assert f"log.csv: {key} of epoch 3 is -0.25; expected accuracies of at least 0" in str(
        refused.value
    )


def test_accuracies_of_zero_and_values_that_were_not_measured_are_not_refused():
    check_accuracies({"loss": [-1.0], "accuracy": [0.0, math.nan, 150.0]}, "log.csv")
