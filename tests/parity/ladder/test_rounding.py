"""What rounding may do is Keras's measure, and no bundle can make it as large as it likes."""

import check_pairs
import numpy as np
import pytest
from trace_changes import both, fact, put

from parity.ladder.rounding import (
    FLOAT64,
    LIMITS,
    MOST_OF_BETAS,
    NOISE_FACTOR,
    NUM_CERTAIN_STEPS,
    allowed,
    allowed_in_training,
    allowed_loss,
)

MOST = LIMITS["float64"].most
STEP_2 = "trajectory/2/dense1.kernel"


@pytest.fixture
def keras_with(recorded, tmp_path):
    """The trace of Keras with some changes, and what it is made of."""

    def read(*changes):
        changed = recorded.copy()
        both(*changes)(changed)
        return changed.read(tmp_path / "keras"), changed

    return read


@pytest.fixture
def allowed_with(keras_with):
    """What is allowed of each array of a bundle with some changes."""

    def find(*changes):
        keras, changed = keras_with(*changes)
        return {key: allowed(keras, key) for key in changed.arrays}

    return find


def noise(value):
    """All arrays of one noise."""
    return lambda parts: parts.facts.update(noise=dict.fromkeys(parts.arrays, value))


def noises(**values):
    return fact(values, "noise")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.0, FLOAT64), (1e-16, FLOAT64), (1e-10, NOISE_FACTOR * 1e-10)],
    ids=["none", "below_the_floor", "measured"],
)
def test_a_measured_noise_counts(recorded, allowed_with, value, expected):
    found = allowed_with(noise(value))
    assert {limit for key, limit in found.items() if "gradient/" not in key} == {expected}
    # Rounding of a gradient has the size of the greatest one, at the least.
    sizes = {
        key: np.abs(array).max()
        for key, array in recorded.arrays.items()
        if key.startswith("gradient/")
    }
    limits = {
        key: max(expected, FLOAT64 * max(sizes.values()) / size) for key, size in sizes.items()
    }
    assert {key: found[key] for key in sizes} == pytest.approx(limits, rel=1e-12, abs=0)


def test_infinities_are_no_measure(allowed_with):
    """What is allowed of the others would be infinite, too."""
    found = allowed_with(put({"gradient/dense1.bias": np.full(4, np.inf)}), noise(1.0))
    assert max(found.values()) < 1e-3


@pytest.mark.parametrize("value", [1e-6, 1.0, 1e300], ids=lambda value: f"{value:g}")
def test_no_noise_allows_more_than_a_millionth_of_what_is_largest(recorded, allowed_with, value):
    sizes = {key: np.abs(array).max() for key, array in recorded.arrays.items()}
    for key, limit in allowed_with(noise(value)).items():
        part, *rest = key.split("/")
        like = [key]
        if part in ("gradient", "trajectory") and rest[0] not in ("losses", "rates"):
            prefix = key.removesuffix(rest[-1])
            like = [other for other in sizes if other.startswith(prefix)]
        most = MOST_OF_BETAS if key.startswith(("optimizer/", "trajectory/losses")) else MOST
        largest = max(sizes[other] for other in like) or 1
        assert limit * (sizes[key] or 1) <= most * largest * (1 + 1e-12), key


# Of 0.999 in float32, 1 - beta is less by 1.3e-5 of itself.
OF_BETA = abs(float(np.float32(0.999)) - 0.999) / (1 - 0.999)
BY_STEPS = {"gradient/dense1.kernel": 8e-9, STEP_2: 5e-6, "trajectory/2/dense2.kernel": 5e-6}
INSIDE = fact(["resize"], "float32_inside")
CERTAIN = {"trajectory/2/dense2.kernel": [1.717e-6, 1.718e-6]}
OUTPUT = "forward/eval/output"


def exactly(value, *keys):
    return {key: [value, value] for key in keys}


# What a bundle says, and between what the limits of some arrays are.
BOUNDS = {
    # Betas as they are written move what an optimizer keeps by more than a millionth. It is
    # rounded once.
    "betas": (
        both(put({"optimizer/1/velocity/dense1": np.ones(4)}), noise(OF_BETA)),
        exactly(2 * OF_BETA, "optimizer/1/velocity/dense1", "trajectory/losses")
        | exactly(MOST, OUTPUT, "loss/value")),
    # A gradient that cancels, as that of a bias before a batch normalisation, may be any rounding.
    # Two steps of a weight whose gradient is rounding are that of the optimizer that follows it.
    "a gradient that cancels": (
        both(put({"gradient/dense1.bias": [1e-17, -2e-17, 0, 0]}), noise(1.2)),
        {"gradient/dense1.bias": [NOISE_FACTOR * 1.2, np.inf],
         "gradient/dense1.kernel": [0, MOST * 10],
         "trajectory/2/dense1.bias": [NOISE_FACTOR * 1.2] * 2,
         "trajectory/2/dense2.bias": [0, 1e-4]}),
    # A bundle that says zero where Keras has none would be seen at the level of the gradients.
    "a gradient of nothing": (both(put({"gradient/dense1.bias": np.zeros(4)}), noise(1e9)),
                              {"gradient/dense1.bias": [0, MOST * 10]}),
    # An optimizer that normalises its steps makes much of an entry that is nearly zero. What
    # float32 changes there is little of the largest entry of the gradient. That of the other
    # weight is certain.
    "a part in float32": (both(noises(**BY_STEPS), INSIDE),
                          {STEP_2: [NOISE_FACTOR * 5e-6] * 2,
                           **CERTAIN}),
    "the same in float64": (noises(**BY_STEPS),
                            {STEP_2: [0, 1e-4], **CERTAIN}),
    "a part in float32 has a limit": (
        both(noises(**{**BY_STEPS, STEP_2: 1.0}), INSIDE), {STEP_2: [0, 1e-1]}),
    # Ten times the noise, at least 34 units in the last place, at most a hundredth.
    **{
        f"float32 with {value:g}": (both(fact("float32", "dtype"), noise(value)),
                                    exactly(expected, OUTPUT))
        for value, expected in ((0.0, 4e-6), (3e-7, 4e-6), (1e-5, 1e-4), (9e-4, 9e-3), (2e-3, 1e-2),
                                (1.0, 1e-2))
    },
    # A loss changes at least as much as the outputs that it is of: in one number, changes may
    # cancel by chance; in others nothing is added.
    "a loss": (
        noises(**{"forward/train/output": 1e-9, "loss/value": 1e-12, OUTPUT: 1e-12}),
        exactly(NOISE_FACTOR * 1e-9, "loss/value", "trajectory/losses")
        | exactly(NOISE_FACTOR * 1e-12, OUTPUT)),
    "a loss of its own": (noises(**{"loss/value": 1e-12}),
                          exactly(NOISE_FACTOR * 1e-12, "loss/value")),
    # What a program has in float32 is an allowance of its own.
    **{
        f"{value:g} in float32": (both(noise(1e-15), fact({OUTPUT: value}, "float32_noise")),
                                  exactly(FLOAT64 + expected, OUTPUT))
        for value, expected in ((0.0, 0.0), (1e-7, 1e-6), (1e-5, 1e-4), (1.0, 1e-2))
    },
}  # fmt: skip


@pytest.mark.parametrize(("change", "bounds"), BOUNDS.values(), ids=BOUNDS)
def test_limits_lie_where_they_should(allowed_with, change, bounds):
    found = allowed_with(change)
    for key, (least, most) in bounds.items():
        assert least * (1 - 1e-12) <= found[key] <= most * (1 + 1e-12), key


def test_a_beta_that_is_rounded_to_float32_changes_little():
    assert pytest.approx(1.287e-5, rel=1e-3) == OF_BETA


def test_what_the_constants_of_an_optimizer_change_is_allowed_beside_rounding_and_has_no_limit(
    keras_with, allowed_with
):
    constants = {STEP_2: 2.4e-6, "trajectory/losses": 3e-5}
    without = allowed_with(noise(1e-10))
    with_them = noise(1e-10), fact(constants, "constants")
    assert allowed_with(*with_them) == pytest.approx(
        {key: limit + 2 * constants.get(key, 0.0) for key, limit in without.items()},
        rel=1e-12,
        abs=0,
    )
    keras, _ = keras_with(*with_them)
    assert allowed_in_training(keras, 2, STEP_2) == pytest.approx(4.803e-6)
    # What a beta of 0.99 in the place of 0.999 moves is a thousand times as much.
    assert allowed_with(noise(1e-10), fact({STEP_2: 0.01}, "constants"))[STEP_2] > 0.02


def with_four_steps(parts):
    """The last steps have the numbers of the one before."""
    losses = parts.arrays["trajectory/losses"]
    parts.arrays["trajectory/losses"] = np.append(losses, losses[-1:].repeat(4 - len(losses)))
    for step in range(len(losses) + 1, 5):
        for name in check_pairs.SHAPES:
            array = parts.arrays[f"trajectory/{len(losses)}/{name}"]
            parts.arrays[f"trajectory/{step}/{name}"] = array


@pytest.mark.parametrize("value", [0.01, 1.0])
def test_what_rounding_decides_in_a_training_is_not_judged_by_a_millionth(keras_with, value):
    """But in its first steps, and of the loss before rounding has reached it."""
    of_losses = fact([0.0, 0.0, 0.0, value], "loss_noise")
    keras, _ = keras_with(with_four_steps, noise(value), of_losses)
    losses = np.abs(keras["trajectory/losses"])
    for step in range(1, 5):
        weight = f"trajectory/{step}/dense1.kernel"
        of_weight = allowed_in_training(keras, step, weight)
        of_loss = allowed_loss(keras, step) * losses[step - 1] / losses.max()
        if step <= NUM_CERTAIN_STEPS:
            largest = max(keras.largest(f"trajectory/{step}/{name}") for name in check_pairs.SHAPES)
            assert of_weight * keras.largest(weight) <= MOST * largest * (1 + 1e-12)
        else:
            assert of_weight == pytest.approx(NOISE_FACTOR * value)
        if step < 4:
            assert of_loss <= MOST_OF_BETAS * (1 + 1e-12)
        else:
            assert of_loss == pytest.approx(NOISE_FACTOR * value)
