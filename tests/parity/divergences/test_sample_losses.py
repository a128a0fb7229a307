"""Losses of samples, times their weights."""

import numpy as np
import pytest

from parity.divergences.training import mean_of

EACH = np.array([[1.0, 2.0], [3.0, 4.0]])


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        (None, 2.5),
        ([2.0, 0.0], 1.5),
        ([[2.0], [0.0]], 1.5),
        ([[1.0, 0.0], [0.0, 2.0]], 2.25),
        ([[[1.0], [0.0]], [[0.0], [2.0]]], 2.25),
    ],
    ids=["none", "of samples", "in a column", "of steps", "of steps in a column"],
)
def test_a_mean_is_over_all_losses(weights, expected):
    given = None if weights is None else np.array(weights)
    assert mean_of(EACH, given) == expected
