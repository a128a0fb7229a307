"""The verdict on a fit, by hand: three rules on the accuracies of the last epoch."""

import math

import numpy as np
import pytest

from parity.behaviour import judge


def history(train, val, *, loss=0.5, val_loss=0.5):
    return {
        "loss": [2.0, loss],
        "accuracy": [0.1, train],
        "val_loss": [2.0, val_loss],
        "val_accuracy": [0.1, val],
    }


@pytest.mark.parametrize(
    ("train", "val", "verdict"),
    [
        (0.99, 0.98, "good_fit"),
        (0.98, 0.99, "good_fit"),
        (1.0, 1.0, "good_fit"),
        (0.99, 0.90, "overfit"),
        (1.0, 0.1, "overfit"),
        (0.5, 0.5, "underfit"),
        (0.89, 0.99, "underfit"),
        (0.0, 0.0, "underfit"),
        # Both hold: the gap is looked at first.
        (0.6, 0.5, "overfit"),
        # Exactly at a limit is not beyond it.
        (1.0, 0.95, "good_fit"),
        (0.95, 0.9, "good_fit"),
        (0.3, 0.25, "underfit"),
        (0.9, 0.9, "good_fit"),
        (0.9, 0.85, "good_fit"),
        # One sample of the full MNIST further.
        (1.0, 0.95 - 1 / 50_000, "overfit"),
        (0.9 - 1 / 50_000, 0.9, "underfit"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_accuracies_decide_in_either_precision(train, val, verdict, dtype):
    assert judge(history(float(dtype(train)), float(dtype(val))))["verdict"] == verdict


@pytest.mark.parametrize("samples", [200, 500, 600, 1000])
def test_a_gap_of_exactly_the_limit_never_counts_as_overfit(samples):
    # Accuracies of k and k - samples / 20 right answers, as either precision stores them.
    for right in range(math.ceil(0.9 * samples), samples + 1):
        for dtype in (np.float32, np.float64):
            train, val = (float(dtype(n / samples)) for n in (right, right - samples // 20))
            assert judge(history(train, val))["verdict"] == "good_fit"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize("key", ["loss", "val_loss", "accuracy", "val_accuracy"])
@pytest.mark.parametrize("epoch", [0, 1], ids=["first epoch", "last epoch"])
def test_a_number_that_is_not_finite_is_diverged(key, epoch, value):
    diverged = history(0.99, 0.98)
    diverged[key][epoch] = value
    assert judge(diverged)["verdict"] == "diverged"


def test_the_numbers_of_the_last_epoch_stand_beside_the_verdict():
    assert judge(history(0.75, 0.5)) == {
        "verdict": "overfit",
        "train_accuracy": 0.75,
        "val_accuracy": 0.5,
        "gap": 0.25,
    }


def test_one_epoch_is_enough():
    assert judge({key: [1.0] for key in history(1, 1)})["verdict"] == "good_fit"
