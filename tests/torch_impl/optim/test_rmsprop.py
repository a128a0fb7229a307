"""RMSprop moves weights as Keras's RMSprop does: its slots to the bit, weights up to rounding."""

import numpy as np
from optimizer_runs import KerasRun, TorchRun, assert_same_slots


def test_a_variance_that_rounding_makes_negative_is_nan_where_it_is_in_keras():
    """Equal gradients: v - a * a is zero up to roundings of v, which are above epsilon."""
    gradients = np.float32([3000.0, -777.7, 1e-3, 0.123, 9999.9, 31.4])
    rule = {"centered": True, "rho": 0.5, "learning_rate": 1e-3}
    runs = [kind("RMSprop", [np.ones(6, np.float32)], **rule) for kind in (KerasRun, TorchRun)]
    for _ in range(60):
        for run in runs:
            run.step([gradients])
    theirs, ours = (np.isnan(run.weights()[0]) for run in runs)
    np.testing.assert_array_equal(ours, theirs)
    assert_same_slots(runs[1], runs[0])
