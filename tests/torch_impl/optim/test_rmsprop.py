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


def test_the_first_step_is_the_formula():
    """v = 0.1 g^2; w -= lr * g / sqrt(v + 1e-7)."""
    gradients = np.array([1.0, -1e-4, 1e-9, 0.0, 10.0])
    run = TorchRun("RMSprop", [np.zeros(5)])
    run.step([gradients])
    expected = -0.001 * gradients / np.sqrt(0.1 * gradients**2 + 1e-7)
    np.testing.assert_allclose(run.weights()[0], expected, rtol=1e-14, atol=0)
