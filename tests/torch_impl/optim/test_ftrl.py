"""Ftrl moves weights as Keras's Ftrl does, up to rounding."""

import numpy as np
import pytest
from covering import one_test
from optimizer_runs import (
    SHORT,
    WEIGHT_UNITS,
    assert_close,
    assert_same_slots,
    both_runs,
    greatest_difference,
)

USUAL = {"learning_rate": 0.1, "clipvalue": 0.5}
REGULARISED = {
    **{"learning_rate": 0.1, "learning_rate_power": -0.7, "beta": 0.3},
    **{"initial_accumulator_value": 0.3, "l1_regularization_strength": 0.02},
    **{"l2_regularization_strength": 0.1, "l2_shrinkage_regularization_strength": 0.05},
    **{"weight_decay": 0.01},
}


@one_test
@pytest.mark.parametrize("settings", [USUAL, REGULARISED], ids=["usual", "all"])
@pytest.mark.parametrize(("dtype", "num_steps"), [("float64", 200), ("float32", 60)])
def test_weights_and_slots_are_those_of_keras(settings, dtype, num_steps):
    theirs, ours = both_runs("Ftrl", dtype, num_steps, changes_rate=False, **settings)
    assert_close(ours, theirs)
    assert_same_slots(ours, theirs, ["accumulator"])


@one_test
@pytest.mark.parametrize("settings", [USUAL, REGULARISED], ids=["usual", "all"])
def test_a_cut_of_the_rate_acts_on_the_whole_weight(settings):
    """The weight is z / (n**q / lr): a rate of 0.0003 makes it 333 times smaller, but not z.

    What was rounding of the weights stays in z, and is so much more of the weights.
    """
    theirs, ours = both_runs("Ftrl", "float64", SHORT, **settings)
    assert greatest_difference(ours, theirs) <= 333 * WEIGHT_UNITS * np.finfo("float64").eps
    kept, _ = both_runs("Ftrl", "float64", SHORT, changes_rate=False, **settings)
    assert greatest_difference(kept, theirs) > 3
