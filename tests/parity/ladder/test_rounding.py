"""What rounding may do is Keras's measure, and no bundle can make it as large as it likes."""

import check_pairs
import numpy as np
import pytest

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


def limits(recorded, path, noise, **arrays):
    """What is allowed of some arrays of a bundle, all of them of one noise."""
    changed = recorded.copy()
    changed.arrays |= {key.replace("__", "/"): array for key, array in arrays.items()}
    changed.facts["noise"] = dict.fromkeys(changed.arrays, noise)
    keras = changed.read(path)
    return {key: allowed(keras, key) for key in changed.arrays}


@pytest.mark.parametrize(
    ("noise", "expected"),
    [(0.0, FLOAT64), (1e-16, FLOAT64), (1e-10, NOISE_FACTOR * 1e-10)],
    ids=["none", "below_the_floor", "measured"],
)
def test_a_measured_noise_counts(recorded, tmp_path, noise, expected):
    found = limits(recorded, tmp_path / "a", noise)
    assert {limit for key, limit in found.items() if "gradient/" not in key} == {expected}
    # Rounding of a gradient has the size of the greatest one, at the least.
    greatest = max(np.abs(a).max() for k, a in recorded.arrays.items() if k.startswith("gradient/"))
    for name in check_pairs.SHAPES:
        size = np.abs(recorded.arrays[f"gradient/{name}"]).max()
        limit = max(expected, FLOAT64 * greatest / size)
        assert found[f"gradient/{name}"] == pytest.approx(limit, rel=1e-12, abs=0)


def test_infinities_are_no_measure(recorded, tmp_path):
    """What is allowed of the others would be infinite, too."""
    infinite = {"gradient__dense1.bias": np.full(4, np.inf)}
    found = limits(recorded, tmp_path / "a", 1.0, **infinite)
    assert max(found.values()) < 1e-3


@pytest.mark.parametrize("noise", [1e-6, 1.0, 1e300], ids=lambda value: f"{value:g}")
def test_no_noise_allows_more_than_a_millionth_of_what_is_largest(recorded, tmp_path, noise):
    found = limits(recorded, tmp_path / "a", noise)
    for key, limit in found.items():
        part, *rest = key.split("/")
        like = [key]
        if part in ("gradient", "trajectory") and rest[0] not in ("losses", "rates"):
            prefix = key.removesuffix(rest[-1])
            like = [other for other in recorded.arrays if other.startswith(prefix)]
        absolute = limit * (np.abs(recorded.arrays[key]).max() or 1)
        largest = max(np.abs(recorded.arrays[other]).max() for other in like)
        most = MOST_OF_BETAS if key.startswith(("optimizer/", "trajectory/losses")) else MOST
        assert absolute <= most * max(largest, 1 if not largest else 0) * (1 + 1e-12), key


def test_betas_as_they_are_written_move_what_an_optimizer_keeps_by_more_than_a_millionth(
    recorded, tmp_path
):
    """Of 0.999 in float32, 1 - beta is less by 1.3e-5 of itself. It is rounded once."""
    of_beta = float(np.float32(0.999)) - 0.999
    noise = abs(of_beta) / (1 - 0.999)
    assert noise == pytest.approx(1.287e-5, rel=1e-3)
    slot = {"optimizer__1__velocity__dense1": np.ones(4)}
    found = limits(recorded, tmp_path / "a", noise, **slot)
    assert found["optimizer/1/velocity/dense1"] == pytest.approx(2 * noise)
    assert found["trajectory/losses"] == pytest.approx(2 * noise)
    assert found["forward/eval/output"] == found["loss/value"] == MOST


def test_what_the_constants_of_an_optimizer_change_is_allowed_beside_rounding_and_has_no_limit(
    recorded, tmp_path
):
    changed, moved = recorded.copy(), {"trajectory/2/dense1.kernel": 2.4e-6}
    moved |= {"trajectory/losses": 3e-5}
    changed.facts["noise"] = dict.fromkeys(changed.arrays, 1e-10)
    without = changed.read(tmp_path / "a")
    changed.facts["constants"] = moved
    keras = changed.read(tmp_path / "b")
    for key in changed.arrays:
        more = 2 * moved.get(key, 0.0)
        assert allowed(keras, key) == pytest.approx(allowed(without, key) + more, rel=1e-12, abs=0)
    assert allowed_in_training(keras, 2, "trajectory/2/dense1.kernel") == pytest.approx(4.803e-6)
    # What a beta of 0.99 in the place of 0.999 moves is a thousand times as much.
    changed.facts["constants"] = {"trajectory/2/dense1.kernel": 0.01}
    assert allowed(changed.read(tmp_path / "c"), "trajectory/2/dense1.kernel") > 0.02


def test_a_gradient_that_cancels_may_be_any_rounding(recorded, tmp_path):
    """As that of a bias before a batch normalisation."""
    name = "gradient/dense1.bias"
    tiny = {"gradient__dense1.bias": np.array([1e-17, -2e-17, 0, 0])}
    found = limits(recorded, tmp_path / "a", 1.2, **tiny)
    assert found[name] >= NOISE_FACTOR * 1.2
    assert found["gradient/dense1.kernel"] <= MOST * 10
    # Two steps of a weight whose gradient is rounding are that of the optimizer that follows it.
    assert found["trajectory/2/dense1.bias"] == NOISE_FACTOR * 1.2
    assert found["trajectory/2/dense2.bias"] < 1e-4


def test_a_part_in_float32_makes_what_is_trained_uncertain_up_to_a_limit(recorded, tmp_path):
    """An optimizer that normalises its steps makes much of an entry that is nearly zero.

    What float32 changes there is little of the largest entry of the gradient.
    """
    noise = {"gradient/dense1.kernel": 8e-9, "trajectory/2/dense1.kernel": 5e-6}
    noise |= {"trajectory/2/dense2.kernel": 5e-6}
    inside = recorded.copy()
    inside.facts["float32_inside"] = ["resize"]
    exact, found = told(recorded, tmp_path / "a", noise), told(inside, tmp_path / "b", noise)
    assert found["trajectory/2/dense1.kernel"] == pytest.approx(NOISE_FACTOR * 5e-6)
    assert exact["trajectory/2/dense1.kernel"] < 1e-4
    # The gradient of the other weight is certain.
    assert found["trajectory/2/dense2.kernel"] == exact["trajectory/2/dense2.kernel"] < 1e-4
    noise["trajectory/2/dense1.kernel"] = 1.0
    assert told(inside, tmp_path / "c", noise)["trajectory/2/dense1.kernel"] < 1e-1


def test_a_gradient_of_nothing_is_not_a_licence(recorded, tmp_path):
    """A bundle that says zero where Keras has none would be seen at the level of the gradients."""
    zero = {"gradient__dense1.bias": np.zeros(4)}
    found = limits(recorded, tmp_path / "a", 1e9, **zero)
    assert found["gradient/dense1.bias"] <= MOST * 10


@pytest.mark.parametrize(
    ("noise", "expected"),
    [(0.0, 4e-6), (3e-7, 4e-6), (1e-5, 1e-4), (9e-4, 9e-3), (2e-3, 1e-2), (1.0, 1e-2)],
    ids=lambda value: f"{value:g}",
)
def test_a_port_in_float32_is_judged_by_the_limits_of_float32(recorded, tmp_path, noise, expected):
    """Ten times the noise, at least 34 units in the last place, at most a hundredth."""
    changed = recorded.copy()
    changed.facts["dtype"] = "float32"
    found = limits(changed, tmp_path / "a", noise)["forward/eval/output"]
    assert found == pytest.approx(expected, rel=1e-12, abs=0)


def told(recorded, path, noise):
    """What is allowed of each array of a bundle that tells this noise."""
    changed = recorded.copy()
    changed.facts["noise"] = noise
    keras = changed.read(path)
    return {key: allowed(keras, key) for key in changed.arrays}


def test_a_loss_changes_at_least_as_much_as_the_outputs_that_it_is_of(recorded, tmp_path):
    """In one number, changes may cancel by chance; in others nothing is added."""
    noise = {"forward/train/output": 1e-9, "loss/value": 1e-12, "forward/eval/output": 1e-12}
    found = told(recorded, tmp_path / "a", noise)
    for key in ("loss/value", "trajectory/losses"):
        assert found[key] == pytest.approx(NOISE_FACTOR * 1e-9, rel=1e-12, abs=0)
    of_its_own = pytest.approx(NOISE_FACTOR * 1e-12, rel=1e-12, abs=0)
    assert found["forward/eval/output"] == of_its_own
    assert told(recorded, tmp_path / "b", {"loss/value": 1e-12})["loss/value"] == of_its_own


def with_four_steps(recorded):
    changed = recorded.copy()
    losses = changed.arrays["trajectory/losses"]
    changed.arrays["trajectory/losses"] = np.append(losses, losses[-1:].repeat(4 - len(losses)))
    for step in range(len(losses) + 1, 5):
        for name in check_pairs.SHAPES:
            array = changed.arrays[f"trajectory/{len(losses)}/{name}"]
            changed.arrays[f"trajectory/{step}/{name}"] = array
    return changed


def in_training(recorded, path, noise):
    """What is allowed of the weights and of the loss of each step, all weights of one noise."""
    changed = with_four_steps(recorded)
    changed.facts["noise"] = dict.fromkeys(changed.arrays, noise)
    losses = changed.arrays["trajectory/losses"]
    changed.facts["loss_noise"] = [0.0] * (len(losses) - 1) + [noise]
    keras = changed.read(path)
    sizes = np.abs(losses) / np.abs(losses).max()
    found = [allowed_loss(keras, number) * size for number, size in enumerate(sizes, start=1)]
    steps = range(1, len(losses) + 1)
    keys = [f"trajectory/{step}/dense1.kernel" for step in steps]
    return [allowed_in_training(keras, *each) for each in zip(steps, keys, strict=True)], found


def test_what_rounding_decides_in_a_training_is_not_judged_by_a_millionth(recorded, tmp_path):
    weights, losses = in_training(recorded, tmp_path / "a", 0.01)
    assert weights[NUM_CERTAIN_STEPS:] == pytest.approx([NOISE_FACTOR * 0.01] * (len(weights) - 2))
    assert losses[-1] == pytest.approx(NOISE_FACTOR * 0.01)
    assert max(losses[:-1]) <= MOST_OF_BETAS * (1 + 1e-12)  # before rounding has reached the loss


def largest_after(recorded, step):
    recorded = with_four_steps(recorded)
    keys = [key for key in recorded.arrays if key.startswith(f"trajectory/{step}/")]
    return max(np.abs(recorded.arrays[key]).max() for key in keys)


def test_no_noise_makes_the_first_steps_uncertain(recorded, tmp_path):
    weights, _ = in_training(recorded, tmp_path / "a", 1.0)
    for step, most in enumerate(weights[:NUM_CERTAIN_STEPS], start=1):
        changed = with_four_steps(recorded)
        own = np.abs(changed.arrays[f"trajectory/{step}/dense1.kernel"]).max()
        assert most * own <= MOST * largest_after(recorded, step) * (1 + 1e-12)


@pytest.mark.parametrize(
    ("measured", "expected"), [(0.0, 0.0), (1e-7, 1e-6), (1e-5, 1e-4), (1.0, 1e-2)]
)
def test_what_a_program_has_in_float32_is_an_allowance_of_its_own(
    recorded, tmp_path, measured, expected
):
    before = limits(recorded, tmp_path / "before", 1e-15)["forward/eval/output"]
    recorded = recorded.copy()
    recorded.facts["float32_noise"] = {"forward/eval/output": measured}
    found = limits(recorded, tmp_path / "a", 1e-15)["forward/eval/output"]
    assert found - before == pytest.approx(expected, rel=1e-6, abs=0)
