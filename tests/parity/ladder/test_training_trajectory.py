"""A whole training step by step: its weights, its losses and its history."""

import numpy as np
import pytest
from ladder_runs import AGREE, INF, NAN, failing, levels_of, moved, other_rates, statuses
from traces import BIAS, HISTORY_KEYS, KERNEL, STEPS_PER_EPOCH, whole_parts

from parity.errors import RunError
from parity.ladder.comparers.training import trajectory
from parity.ladder.items import FAIL, PASS, SKIPPED

# Key, index, item, (epoch, step).
CLOSE = [
    *[
        (f"training/weights/{step}/{name}", index, name, (epoch, step))
        for step, epoch in ((0, 0), (1, 0), (2, 0), (4, 1), (5, 2), (6, 2))
        for name, index in ((KERNEL, (1, 0)), (BIAS, (0,)))
    ],
    *[
        ("training/loss", (row,), "running loss", (row // STEPS_PER_EPOCH, row + 1))
        for row in range(6)
    ],
]
close = pytest.mark.parametrize(
    ("key", "index", "name", "moment"), CLOSE, ids=[f"{case[0]} {case[3][1]}" for case in CLOSE]
)


def allowed_of(keras, key, index):
    """1e-12, relative above 1: to the largest value of a weight, and to the loss itself."""
    array = np.abs(keras[key])
    return 1e-12 * max(1.0, array[index] if key == "training/loss" else array.max())


def test_the_same_training_passes(compared_with):
    levels = compared_with()
    assert statuses(levels) == AGREE
    for name in ("trajectory", "schedule", "behaviour"):
        assert levels[name].items
        assert all(item.num_compared and item.worst == 0 for item in levels[name].items)
        assert levels[name].tolerance_source
    # Weights at six steps, the losses of three epochs, four columns of each.
    assert len(levels["trajectory"].items) == 6 + 3 + 4 * 3


@close
def test_one_element_just_above_what_is_allowed_is_named_with_place_and_values(
    compared_with, keras, key, index, name, moment
):
    by = 1.1 * allowed_of(keras, key, index)
    found = failing(compared_with(moved(key, index, by)))
    first = found.first_failure
    assert (found.id, first.name, (first.epoch, first.step)) == ("trajectory", name, moment)
    assert (first.keras, first.torch) == (keras[key][index], keras[key][index] + by)
    if key != "training/loss":  # whose place is the step
        assert first.index == index
    assert [item.name for item in found.items if item.status == FAIL] == [name]


@pytest.mark.parametrize("key", HISTORY_KEYS[:-1])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_value_of_the_history_is_named_with_its_epoch(compared_with, keras, key, epoch):
    value = keras.history[key][epoch]
    allowed = 1e-12 * max(1, value)

    def by(difference):
        return lambda parts: parts.history[key].__setitem__(epoch, value + difference)

    assert statuses(compared_with(by(0.9 * allowed))) == AGREE
    found = failing(compared_with(by(1.1 * allowed)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", key)
    assert (first.epoch, first.step) == (epoch, STEPS_PER_EPOCH * (epoch + 1))
    assert (first.keras, first.torch) == (value, value + 1.1 * allowed)


def test_how_well_the_training_samples_are_known_is_compared_as_well(tmp_path):
    keras, torch = whole_parts(), whole_parts()
    keras.history["eval_accuracy"] = torch.history["eval_accuracy"] = [0.5, 0.75, 0.875]
    torch = torch.copy()
    torch.history["eval_accuracy"][1] = 0.625
    found = trajectory(keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch"))
    failed = [(item.name, item.epoch) for item in found.items if item.status == FAIL]
    assert failed == [("eval_accuracy", 1)]


def test_a_column_that_only_one_half_reports_is_left_out(compared_with):
    def change(parts):
        parts.history["auc"] = [0.5] * 3
        del parts.history["val_accuracy"]

    found = compared_with(change)["trajectory"]
    assert found.status == PASS
    names = {item.name for item in found.items}
    assert names & {"auc", "val_accuracy", "learning_rate"} == set()
    assert names >= {"loss", "accuracy", "val_loss"}


def test_the_earliest_step_that_differs_is_named_first(compared_with):
    def change(parts):
        parts.arrays["training/loss"][2] += 1
        parts.arrays["training/loss"][3] += 9
        parts.arrays[f"training/weights/4/{KERNEL}"] += 5
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
        (1.5, (1.3e-12, 9e-12)),
    ],
)
def test_a_running_loss_within_the_limit_does_not_hide_a_later_one_above(tmp_path, losses, by):
    parts = whole_parts()
    parts.arrays["training/loss"] = np.full(6, losses)
    keras = parts.write(tmp_path / "keras")
    parts.arrays["training/loss"][2:4] += by
    found = failing(levels_of(keras, parts.write(tmp_path / "torch")))
    assert (found.first_failure.name, found.first_failure.step) == ("running loss", 4)


def test_a_loop_of_the_ports_own_tells_no_running_loss(compared_with):
    def change(parts):
        parts.facts["has_own_loop"] = True
        parts.arrays["training/loss"] += 1

    levels = compared_with(change)
    assert statuses(levels) == AGREE
    assert "running loss" not in [item.name for item in levels["trajectory"].items]


def test_of_all_weights_of_a_step_the_one_nearest_to_its_limit_is_named(compared_with):
    def change(parts):
        # Relative to 2 + 5/64, and to 1 + 5/64.
        parts.arrays[f"training/weights/5/{KERNEL}"][0, 1] += 0.5
        parts.arrays[f"training/weights/5/{BIAS}"][1] += 0.375

    first = failing(compared_with(change)).first_failure
    assert (first.name, first.step, first.index) == (BIAS, 5, (1,))
    assert first.worst == 0.375 / (1 + 5 / 64)


@pytest.mark.parametrize("value", [NAN, INF, -INF], ids=str)
def test_a_training_that_diverges_in_one_half_only_fails(compared_with, value):
    def change(parts):
        parts.arrays[f"training/weights/2/{KERNEL}"][:] = value
        parts.arrays["training/loss"][1:] = value
        for key in ("loss", "val_loss"):
            parts.history[key] = [value] * 3

    levels = compared_with(change)
    first = levels["trajectory"].first_failure
    assert (first.name, first.step, first.worst) == (KERNEL, 2, INF)
    assert levels["behaviour"].status == FAIL


def test_trainings_that_diverge_alike_pass(tmp_path):
    parts = whole_parts()
    for key in ("weights/6", "final"):
        parts.arrays[f"training/{key}/{KERNEL}"][:] = NAN
    parts.arrays["training/loss"][3:] = NAN
    parts.history["loss"][1:] = parts.history["val_loss"][1:] = [NAN, INF]
    keras, torch = (parts.write(tmp_path / name) for name in ("keras", "torch"))
    assert statuses(levels_of(keras, torch)) == AGREE


# What of a training a change of its initial weights, as large as rounding, changes by 1e-12.
SPREAD = {f"training/weights/4/{KERNEL}": 1e-12, "scalar/4": 2e-12}


@pytest.mark.parametrize(
    ("key", "index", "at"),
    [
        (f"training/weights/4/{KERNEL}", (0, 0), 30e-12),
        (f"training/weights/4/{BIAS}", (0,), 1e-12),
        (f"training/weights/5/{KERNEL}", (0, 0), 1e-12),
        ("training/loss", (1,), 1e-12),  # of the first epoch
        ("training/loss", (2,), 60e-12),  # of the second, which ends with step 4
    ],
)
def test_thirty_times_what_rounding_makes_of_the_training_is_allowed(
    tmp_path, keras, key, index, at
):
    scale = allowed_of(keras, key, index) / 1e-12
    for by, status in ((0.9, PASS), (1.1, FAIL)):
        parts = whole_parts()
        parts.facts["spread"] = dict(SPREAD)
        parts.arrays[key][index] += by * at * scale
        found = trajectory(keras, parts.write(tmp_path / str(by)))
        assert found.status == status
        assert "as rounding" in found.tolerance_source


def test_the_history_of_an_epoch_has_the_spread_of_its_last_step(tmp_path, keras):
    for epoch, status in ((0, FAIL), (1, PASS), (2, FAIL)):
        parts = whole_parts()
        parts.facts["spread"] = dict(SPREAD)
        parts.history["val_accuracy"][epoch] += 50e-12
        assert trajectory(keras, parts.write(tmp_path / str(epoch))).status == status


@pytest.mark.parametrize("epoch", [1, 2])
def test_from_another_rate_on_the_difference_belongs_to_the_schedule(compared_with, epoch):
    levels = compared_with(other_rates(epoch))
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name) == ("schedule", "learning_rate")
    assert (first.epoch, first.step) == (epoch, STEPS_PER_EPOCH * epoch + 1)
    assert (first.keras, first.torch) == (0.001, 0.0001)
    trajectory = levels["trajectory"]
    assert trajectory.status == PASS
    assert f"not compared from epoch {epoch + 1} on," in trajectory.tolerance_source
    assert max(item.epoch for item in trajectory.items) == epoch - 1
    assert max(item.step for item in trajectory.items) == STEPS_PER_EPOCH * epoch


def test_a_difference_before_the_rates_part_belongs_to_the_trajectory(compared_with):
    def change(parts):
        other_rates(2)(parts)
        parts.arrays[f"training/weights/4/{BIAS}"][1] += 1

    first = compared_with(change)["trajectory"].first_failure
    assert (first.name, first.step) == (BIAS, 4)


def test_another_rate_from_the_start_leaves_the_initial_weights_alone(compared_with):
    levels = compared_with(other_rates(0))
    assert {item.step for item in levels["trajectory"].items} == {0}
    found = failing(levels)
    assert (found.id, found.first_failure.epoch) == ("schedule", 0)


@pytest.mark.parametrize("end", [3, 5])
def test_an_epoch_with_another_number_of_steps_is_told_and_ends_the_comparison(compared_with, end):
    def change(parts):
        parts.facts["epoch_ends"][1:] = [end, end + 2]
        parts.arrays[f"training/weights/5/{KERNEL}"] += 1

    levels = compared_with(change)
    found = failing(levels)
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", "number of steps")
    assert (first.keras, first.torch) == (2, end - 2)
    assert (first.epoch, first.step) == (1, min(end, 4))
    assert {item.epoch for item in found.items if item is not first} == {0}
    assert levels["schedule"].status == SKIPPED
    assert levels["schedule"].tolerance_source == "the halves make different steps"


@pytest.mark.parametrize("key", sorted(whole_parts().arrays))
def test_an_array_that_keras_lacks_is_told(compared_with, tmp_path, key):
    parts = whole_parts()
    torch = parts.write(tmp_path / "torch")
    del parts.arrays[key]
    keras = parts.write(tmp_path / "lacking")
    with pytest.raises(RunError) as caught:
        levels_of(keras, torch)
    assert str(keras.directory) in str(caught.value)
    assert repr(key) in str(caught.value)


def test_what_the_port_lacks_is_told_but_for_weights_without_a_place_in_it(keras, tmp_path):
    for key in ("training/loss", "training/rates"):
        parts = whole_parts()
        del parts.arrays[key]
        torch = parts.write(tmp_path / key)
        with pytest.raises(RunError, match=rf"{torch.directory}: .*'{key}'"):
            levels_of(keras, torch)


def test_a_port_in_which_no_weight_has_a_place_is_compared_by_its_numbers(compared_with):
    """The structure of the probes has told the weights."""

    def change(parts):
        for key in [key for key in parts.arrays if key.endswith((KERNEL, BIAS))]:
            del parts.arrays[key]
        parts.history["val_loss"][1] += 1

    found = failing(compared_with(change))
    assert {item.name for item in found.items} == {"running loss", *HISTORY_KEYS[:-1]}
    assert (found.first_failure.name, found.first_failure.epoch) == ("val_loss", 1)
