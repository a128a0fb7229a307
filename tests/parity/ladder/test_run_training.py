"""The training of a run: its trajectory, its rates, and the verdict on the fit."""

import numpy as np
import pytest
from ladder_runs import INF, NAN, failing, levels_of, moved, other_rates
from traces import HISTORY_KEYS, STEPS_PER_EPOCH, whole_parts

from parity.ladder.items import FAIL, PASS, SKIPPED
from parity.ladder.levels import LEVEL_IDS


def set_history(key, epoch, value):
    def change(parts):
        parts.history[key][epoch] = value

    return change


@pytest.mark.parametrize("key", HISTORY_KEYS[:-1])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_value_of_the_history_is_named_with_its_epoch(compared_with, keras, key, epoch):
    value = keras.history[key][epoch]
    allowed = 1e-12 * max(1, value)
    levels = compared_with(set_history(key, epoch, value + 0.9 * allowed))
    assert [level.status for level in levels] == [PASS] * 11
    found = failing(compared_with(set_history(key, epoch, value + 1.1 * allowed)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", key)
    assert (first.epoch, first.step) == (epoch, STEPS_PER_EPOCH * (epoch + 1))
    assert (first.keras, first.torch) == (value, value + 1.1 * allowed)


def test_the_earliest_step_that_differs_is_named_first(compared_with):
    def change(parts):
        parts.arrays["running_loss"][2] += 1
        parts.arrays["running_loss"][3] += 9
        parts.arrays["trajectory/4/conv1.kernel"] += 5
        parts.history["val_loss"][0] += 0.5  # after step 2

    found = failing(compared_with(change))
    assert (found.first_failure.name, found.first_failure.step) == ("val_loss", 2)
    # Of each epoch's running losses the first that differs, not the one that differs most.
    rows = [item for item in found.items if item.name == "running loss"]
    assert [(item.step, item.status) for item in rows][1] == (3, FAIL)
    assert found.worst.step == 4


@pytest.mark.parametrize(
    ("losses", "by"),
    [
        # Within 1e-12, which is absolute below 1, and above it.
        (0.5, (0.8e-12, 5e-12)),
        (0.0, (1e-12, 5e-12)),
        (1.5, (0.5e-12, 9e-12)),
    ],
)
def test_a_running_loss_within_the_limit_does_not_hide_a_later_one_above(tmp_path, losses, by):
    parts = whole_parts()
    parts.arrays["running_loss"] = np.full(6, losses)
    keras = parts.write(tmp_path / "keras")
    parts.arrays["running_loss"][2:4] += by
    found = failing(levels_of(keras, parts.write(tmp_path / "torch")))
    assert (found.first_failure.name, found.first_failure.step) == ("running loss", 4)


def test_of_two_running_losses_above_the_limit_the_first_is_named(compared_with):
    def change(parts):
        # 1.6 and 1.4, to which the limit is relative.
        parts.arrays["running_loss"][2:4] += [1.1e-12 * 1.6, 9e-12]

    assert failing(compared_with(change)).first_failure.step == 3


def test_initial_weights_are_no_part_of_the_trajectory(compared_with):
    trajectory = compared_with()[LEVEL_IDS.index("trajectory")]
    assert min(item.step for item in trajectory.items) == 1


def test_of_all_weights_of_a_step_the_worst_is_named(compared_with):
    def change(parts):
        parts.arrays["trajectory/5/conv1.kernel"][0, 1] += 0.25
        parts.arrays["trajectory/5/dense1.bias"][1] += 0.5

    first = failing(compared_with(change)).first_failure
    assert (first.name, first.step, first.index, first.worst) == ("dense1.bias", 5, (1,), 0.5)


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
def test_a_run_that_diverges_in_one_half_only_fails(compared_with, value):
    def change(parts):
        parts.arrays["trajectory/2/conv1.kernel"][:] = value
        parts.arrays["running_loss"][1:] = value
        for key in ("loss", "val_loss"):
            parts.history[key] = [value] * 3

    first = failing(compared_with(change)).first_failure
    assert (first.name, first.step, first.worst) == ("conv1.kernel", 2, INF)


def test_runs_that_diverge_alike_pass(tmp_path):
    parts = whole_parts()
    parts.arrays["trajectory/6/conv1.kernel"][:] = NAN
    parts.arrays["running_loss"][3:] = NAN
    parts.history["loss"][1:] = parts.history["val_loss"][1:] = [NAN, INF]
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    assert [level.status for level in levels_of(keras, torch)] == [PASS] * 11


def test_a_huge_difference_fails_without_a_warning(compared_with):
    found = failing(compared_with(moved("running_loss", (2,), 1e300)))
    assert (found.first_failure.name, found.first_failure.step) == ("running loss", 3)


@pytest.mark.parametrize("epoch", [1, 2])
def test_from_another_rate_on_the_difference_belongs_to_the_schedule(compared_with, epoch):
    levels = compared_with(other_rates(epoch))
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name, first.epoch) == ("schedule", "learning_rate", epoch)
    assert (first.keras, first.torch) == (0.001, 0.0001)
    trajectory = levels[LEVEL_IDS.index("trajectory")]
    assert trajectory.status == PASS
    assert f"not compared from epoch {epoch + 1} on," in trajectory.tolerance_source
    assert max(item.epoch for item in trajectory.items) == epoch - 1
    assert max(item.step for item in trajectory.items) == STEPS_PER_EPOCH * epoch


def test_a_difference_before_the_rates_part_belongs_to_the_trajectory(compared_with):
    def change(parts):
        other_rates(2)(parts)
        parts.arrays["trajectory/4/dense1.bias"][1] += 1

    first = failing(compared_with(change)).first_failure
    assert (first.name, first.step) == ("dense1.bias", 4)


def test_another_rate_from_the_start_leaves_no_trajectory_and_fails(compared_with):
    levels = compared_with(other_rates(0))
    assert levels[LEVEL_IDS.index("trajectory")].status == SKIPPED
    found = failing(levels)
    assert (found.id, found.first_failure.epoch) == ("schedule", 0)


def test_another_verdict_fails(compared_with):
    # The halves agree in all that a float64 run is compared by, but not in how they were evaluated.
    def change(parts):
        parts.history["eval_accuracy"] = [0.5] * 3

    assert failing(compared_with(change)).id == "behaviour"
