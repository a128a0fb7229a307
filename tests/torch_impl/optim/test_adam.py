"""Adam moves weights as Keras's Adam does."""

import numpy as np
import pytest
from covering import one_test
from optimizer_runs import (
    KerasRun,
    TorchRun,
    assert_close,
    both_runs,
    make_gradients,
    make_weights,
    run_steps,
)


def test_a_parameter_whose_gradients_start_late_is_corrected_with_the_common_count():
    weights = [np.ones(2), np.ones(2)]
    theirs, ours = KerasRun("Adam", weights), TorchRun("Adam", weights, learning_rate=0.01)
    for step in range(6):
        late = np.full(2, 0.5 if step >= 3 else 0.0)
        theirs.step([np.full(2, 0.5), late])  # a zero gradient and none leave Keras's slots alike
        ours.step([np.full(2, 0.5), late if late.any() else None])
    for mine, other in zip(ours.weights(), theirs.weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


@one_test
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("decay", [3.0, 0.1, 0.004])
def test_the_slots_never_see_a_weight_decay(decay, dtype):
    """Of 0.01 × 3 a weight keeps little, of 0.01 × 0.004 nearly all."""
    theirs, ours = both_runs("Adam", dtype, 60, weight_decay=decay)
    assert_close(ours, theirs)
    plain = TorchRun("Adam", make_weights(dtype), learning_rate=0.01)
    run_steps(plain, make_gradients(dtype, 60), changes_rate=True)
    for mine, other in zip(ours.slots(), plain.slots(), strict=True):
        for name in other:
            np.testing.assert_array_equal(mine[name], other[name])


@one_test
@pytest.mark.parametrize("decay", [3.0, 0.004, 1e-5])
def test_weight_decay_in_float32_rounds_as_in_keras(decay):
    """Without gradients, where nothing covers a decay that is too strong or too weak."""
    gradients = [[np.zeros_like(weight) for weight in make_weights("float32")]] * 200
    theirs, ours = (
        run_steps(
            kind("Adam", make_weights("float32"), learning_rate=0.01, weight_decay=decay), gradients
        )
        for kind in (KerasRun, TorchRun)
    )
    for mine, other, start in zip(
        ours.weights(), theirs.weights(), make_weights("float32"), strict=True
    ):
        # Keras multiplies by the decay and then by the rate, we by their product: now and then a
        # weight is rounded the other way, by one unit in the last place.
        np.testing.assert_allclose(mine, other, rtol=3e-6, atol=0)
        if decay > 1e-3:  # one of 1e-7 and less is lost in the rounding, there as here
            expected = start.astype("float64") * (1 - 0.01 * decay) ** 200
            np.testing.assert_allclose(mine, expected, rtol=2e-5, atol=0)
