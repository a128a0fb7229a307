"""A whole training step by step: its weights, its losses and its history."""

import numpy as np
import pytest
from ladder_runs import AGREE, INF, NAN, failed, failing, levels_of, other_rates, statuses
from trace_changes import added, both, epoch_value, fact, gone, set_to
from traces import BIAS, HISTORY_KEYS, KERNEL, STEPS_PER_EPOCH, whole_parts

from parity.errors import RunError
from parity.ladder.comparers.training import trajectory
from parity.ladder.items import FAIL, PASS, SKIPPED

WHOLE = whole_parts()


def allowed_of(key, index):
    """1e-12, relative above 1: to the largest value of a weight, and to the loss itself."""
    array = np.abs(WHOLE.arrays[key])
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


def of_entry(key, index, name, epoch, step):
    """One entry just above what is allowed, and what its level and its first failure tell."""
    theirs, by = WHOLE.arrays[key][index], 1.1 * allowed_of(key, index)
    place = {} if key == "training/loss" else {"index": index}  # the place of a loss is its step
    told = {"keras": theirs, "torch": theirs + by, **place}
    return added(key, by, index), "trajectory", [(name, epoch, step)], told


def of_history(column, epoch):
    """The same of a value of the history."""
    value = WHOLE.history[column][epoch]
    above = value + 1.1e-12 * max(1, value)
    fails = [(column, epoch, STEPS_PER_EPOCH * (epoch + 1))]
    told = {"keras": value, "torch": above}
    return epoch_value(column, epoch, above), "trajectory", fails, told


WEIGHTS = [key for key in WHOLE.arrays if key.endswith((KERNEL, BIAS))]


def other_ends(end):
    ends = fact([2, end, end + 2], "epoch_ends")
    return both(ends, added(f"training/weights/5/{KERNEL}", 1))


# What the port has otherwise, the level that fails and by what, and what its first failure tells.
FIRST = {
    **{
        f"{name} {step}": of_entry(f"training/weights/{step}/{name}", index, name, epoch, step)
        for step, epoch in ((0, 0), (1, 0), (2, 0), (4, 1), (5, 2), (6, 2))
        for name, index in ((KERNEL, (1, 0)), (BIAS, (0,)))
    },
    **{
        f"loss {row}": of_entry("training/loss", (row,), "running loss", row // 2, row + 1)
        for row in range(6)
    },
    **{
        f"{column} {epoch}": of_history(column, epoch)
        for column in HISTORY_KEYS[:-1]
        for epoch in range(3)
    },
    # Of all weights of a step the one nearest to its limit, relative to 2 + 5/64, and to 1 + 5/64.
    "two weights": (
        both(added(f"training/weights/5/{KERNEL}", 0.5, (0, 1)),
             added(f"training/weights/5/{BIAS}", 0.375, 1)),
        "trajectory", [(BIAS, 2, 5)], {"index": (1,), "worst": 0.375 / (1 + 5 / 64)}),
    # From another rate on the difference belongs to the schedule.
    **{
        f"rates from epoch {epoch}": (
            other_rates(epoch), "schedule", [("learning_rate", epoch, STEPS_PER_EPOCH * epoch + 1)],
            {"keras": 0.001, "torch": 0.0001})
        for epoch in (0, 1, 2)
    },
    # An epoch with another number of steps is told, and ends the comparison.
    **{
        f"epoch that ends at {end}": (
            other_ends(end), "trajectory", [("number of steps", 1, min(end, 4))],
            {"keras": 2, "torch": end - 2})
        for end in (3, 5)
    },
    # A port in which no weight has a place is compared by its numbers: the structure of the probes
    # has told the weights.
    "no weights": (both(gone(*WEIGHTS), epoch_value("val_loss", 1, 2.0)), "trajectory",
                   [("val_loss", 1, 4)], {}),
}  # fmt: skip


@pytest.mark.parametrize(("change", "level", "fails", "first"), FIRST.values(), ids=FIRST)
def test_what_is_above_its_limit_is_named_with_place_and_values(
    compared_with, change, level, fails, first
):
    found = failing(compared_with(change))
    assert (found.id, failed(found)) == (level, fails)
    assert {name: getattr(found.first_failure, name) for name in first} == first


@pytest.mark.parametrize("column", HISTORY_KEYS[:-1])
@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_value_of_the_history_may_be_rounded(compared_with, column, epoch):
    value = WHOLE.history[column][epoch]
    change = epoch_value(column, epoch, value + 0.9e-12 * max(1, value))
    assert statuses(compared_with(change)) == AGREE


def test_how_well_the_training_samples_are_known_is_compared_as_well(whole):
    def known(parts):
        parts.history["eval_accuracy"] = [0.5, 0.75, 0.875]

    found = trajectory(*whole(both(known, epoch_value("eval_accuracy", 1, 0.625)), known))
    assert failed(found) == [("eval_accuracy", 1, 4)]


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
    found = failing(
        compared_with(
            both(
                added("training/loss", [1, 9], slice(2, 4)),
                added(f"training/weights/4/{KERNEL}", 5),
                epoch_value("val_loss", 0, 2.0),  # after step 2
            )
        )
    )
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
def test_a_running_loss_within_the_limit_does_not_hide_a_later_one_above(compared_with, losses, by):
    same = set_to("training/loss", losses)
    found = failing(compared_with(both(same, added("training/loss", by, slice(2, 4))), same))
    assert failed(found) == [("running loss", 1, 4)]


def test_a_loop_of_the_ports_own_tells_no_running_loss(compared_with):
    levels = compared_with(both(fact(True, "has_own_loop"), added("training/loss", 1)))
    assert statuses(levels) == AGREE
    assert "running loss" not in [item.name for item in levels["trajectory"].items]


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


def test_trainings_that_diverge_alike_pass(compared_with):
    def diverging(parts):
        for key in ("weights/6", "final"):
            parts.arrays[f"training/{key}/{KERNEL}"][:] = NAN
        parts.arrays["training/loss"][3:] = NAN
        parts.history["loss"][1:] = parts.history["val_loss"][1:] = [NAN, INF]

    assert statuses(compared_with(diverging, diverging)) == AGREE


# What of a training a change of its initial weights, as large as rounding, changes by 1e-12.
SPREAD = fact({f"training/weights/4/{KERNEL}": 1e-12, "scalar/4": 2e-12}, "spread")


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
def test_thirty_times_what_rounding_makes_of_the_training_is_allowed(whole, key, index, at):
    scale = allowed_of(key, index) / 1e-12
    for by, status in ((0.9, PASS), (1.1, FAIL)):
        found = trajectory(*whole(both(SPREAD, added(key, by * at * scale, index))))
        assert found.status == status
        assert "as rounding" in found.tolerance_source


@pytest.mark.parametrize(("epoch", "status"), [(0, FAIL), (1, PASS), (2, FAIL)])
def test_the_history_of_an_epoch_has_the_spread_of_its_last_step(whole, epoch, status):
    value = WHOLE.history["val_accuracy"][epoch] + 50e-12
    change = both(SPREAD, epoch_value("val_accuracy", epoch, value))
    assert trajectory(*whole(change)).status == status


@pytest.mark.parametrize(("epoch", "moments"), [(0, {0}), (1, {0, 1, 2}), (2, {0, 1, 2, 3, 4})])
def test_the_trajectory_is_not_compared_from_another_rate_on(compared_with, epoch, moments):
    trajectory = compared_with(other_rates(epoch))["trajectory"]
    assert trajectory.status == PASS
    assert f"not compared from epoch {epoch + 1} on," in trajectory.tolerance_source
    assert {item.step for item in trajectory.items} == moments
    assert max(item.epoch for item in trajectory.items) == max(epoch - 1, 0)


def test_a_difference_before_the_rates_part_belongs_to_the_trajectory(compared_with):
    change = both(other_rates(2), added(f"training/weights/4/{BIAS}", 1, 1))
    first = compared_with(change)["trajectory"].first_failure
    assert (first.name, first.step) == (BIAS, 4)


@pytest.mark.parametrize("end", [3, 5])
def test_behind_another_number_of_steps_nothing_is_compared(compared_with, end):
    levels = compared_with(other_ends(end))
    trajectory, schedule = levels["trajectory"], levels["schedule"]
    assert {item.epoch for item in trajectory.items if item.status == PASS} == {0}
    assert schedule.status == SKIPPED
    assert schedule.tolerance_source == "the halves make different steps"


def test_without_weights_losses_and_the_history_are_compared(compared_with):
    items = compared_with(gone(*WEIGHTS))["trajectory"].items
    assert {item.name for item in items} == {"running loss", *HISTORY_KEYS[:-1]}


@pytest.mark.parametrize(
    ("key", "half"),
    [
        *((key, "keras") for key in sorted(WHOLE.arrays)),
        # But for weights without a place in the port.
        *((key, "torch") for key in ("training/loss", "training/rates")),
    ],
)
def test_an_array_that_a_half_lacks_is_told(whole, key, half):
    lacks = gone(key)
    keras, torch = whole(*((None, lacks) if half == "keras" else (lacks, None)))
    with pytest.raises(RunError) as caught:
        levels_of(keras, torch)
    assert str((keras if half == "keras" else torch).directory) in str(caught.value)
    assert repr(key) in str(caught.value)
