"""float64 allows one small number everywhere."""

import numpy as np
import pytest

from parity.ladder.tolerance import FLOAT64, IMAGES_FLOAT32, Float64Tolerance


@pytest.mark.parametrize("step", [1, 20, 10**6])
def test_weights_may_differ_by_the_same_at_every_step(step):
    assert Float64Tolerance().weights(step) == 1e-12


@pytest.mark.parametrize("key", ["loss", "accuracy", "val_loss", "val_accuracy"])
def test_every_value_of_the_history_may_differ_by_the_same(key):
    assert Float64Tolerance().history(key, 0) == Float64Tolerance().history(key, 49) == 1e-12


def test_the_running_loss_may_differ_by_the_same_at_every_step():
    allowed = Float64Tolerance().running_loss(np.arange(1, 4))
    assert allowed.tolist() == [1e-12] * 3
    assert Float64Tolerance().running_loss(np.array([], int)).shape == (0,)


def test_learning_rates_never_part_by_rounding():
    assert not any(Float64Tolerance().may_part(epoch) for epoch in range(50))


def test_the_origin_names_the_number():
    assert "1e-12" in Float64Tolerance().tolerance_source


def test_what_is_allowed_lies_between_rounding_and_the_smallest_known_fault():
    rounding, smallest_fault = 1e-14, 7e-12
    assert 10 * rounding < FLOAT64 < smallest_fault / 5


def test_images_may_be_rounded_the_other_way_but_no_more():
    unit = float(np.spacing(np.float32(1)))
    assert 2 * unit < IMAGES_FLOAT32 < 5 * unit
