"""Steps from recorded states are compared, and the free trainings may part."""

import pytest
from ladder_runs import AGREE, failing, levels_of, statuses
from traces import ANCHORS, KERNEL, STEPS_PER_EPOCH, ended, weights_after

from parity.ladder.anchored import CHANGES, ROUNDING_FACTOR
from parity.ladder.anchored_tolerance import MOST
from parity.ladder.comparers.decisions import from_states
from parity.ladder.items import FAIL, PASS, SKIPPED
from parity.ladder.rounding import NOISE_FACTOR

BETWEEN = "weights and slots changed between two steps"


@pytest.fixture
def compared(anchored):
    """Compares two trainings with recorded states, with a change of either."""

    def run(port=None, reference=None, **settings):
        return levels_of(*anchored(port, reference, **settings))

    return run


def moved(key, by):
    def change(parts):
        parts.arrays[key] = parts.arrays[key] + by

    return change


def part(parts):
    """What chaos makes of the free training: other weights, losses and history."""
    parts.arrays["training/loss"] += 0.25
    for key in [key for key in parts.arrays if key.startswith("training/weights/")]:
        if not key.startswith("training/weights/0/"):
            parts.arrays[key] = parts.arrays[key] + 0.5
    for name, value in weights_after(6).items():
        parts.arrays[f"training/final/{name}"] = value + 0.5
    for key in ("loss", "val_loss"):
        parts.history[key] = [value + 0.25 for value in parts.history[key]]


def test_trainings_that_agree_from_every_state_pass(compared):
    levels = compared()
    assert statuses(levels) == AGREE
    trajectory = levels["trajectory"]
    assert trajectory.not_compared == ()
    assert "3 recorded states, 3 steps each in float64" in trajectory.tolerance_source
    assert trajectory.tolerance_source.endswith("in the median of 13 states")


def test_free_trainings_may_part_where_the_steps_agree(compared):
    assert statuses(compared(part)) == AGREE


@pytest.mark.parametrize("step", ANCHORS)
@pytest.mark.parametrize(
    ("key", "size", "name", "note"),
    [
        (f"moved/1/{KERNEL}", 0.5, KERNEL, "after one step"),
        (f"moved/2/{KERNEL}", 0.25, KERNEL, "after 2 steps"),
        (f"slots/2/momentum/{KERNEL}", 0.125, f"momentum of {KERNEL}", "after 2 steps"),
        ("loss", 0.5, "loss", ""),
        ("running/loss", 0.375, "loss", ""),
        ("running/accuracy", 0.75, "accuracy", ""),
    ],
)
def test_an_array_may_differ_by_a_billionth_and_no_more(compared, step, key, size, name, note):
    key = f"anchored/{step}/{key}"
    assert compared(moved(key, 0.98e-9 * size))["trajectory"].status == PASS
    found = failing(compared(moved(key, 1.05e-9 * size)))
    first = found.first_failure
    assert (found.id, first.name, first.unit) == ("trajectory", name, "rel")
    assert (first.step, first.epoch) == (step, step // STEPS_PER_EPOCH)
    assert first.worst == pytest.approx(1.05e-9, rel=1e-3)
    assert first.note.endswith(note)


@pytest.mark.parametrize("name", ["loss", "accuracy"])
def test_each_number_of_the_validation_in_front_of_an_epoch_has_its_name(compared, name):
    first = failing(compared(moved(f"anchored/0/validation/{name}", 1e-8))).first_failure
    assert (first.name, first.step) == (f"val_{name}", 0)


@pytest.mark.parametrize(
    ("noise", "is_compared"), [(MOST / NOISE_FACTOR, True), (MOST / 29, False)]
)
def test_an_array_that_rounding_decides_is_not_compared_and_told(compared, noise, is_compared):
    key = f"slots/2/momentum/{KERNEL}"

    def noisy(parts):
        parts.arrays[f"anchor_noise/{key}"][:] = noise

    assert MOST == 1e-3
    # The largest value is 0.125.
    found = compared(moved(f"anchored/1/{key}", 1e-4), noisy)["trajectory"]
    assert found.status == PASS
    told = dict(found.not_compared)
    if is_compared:
        assert not told
        return
    assert "rounding decides it" in told[f"momentum of {KERNEL} from the state at step 1"]
    # A difference above even that is a difference.
    assert compared(moved(f"anchored/1/{key}", 1.0), noisy)["trajectory"].status == FAIL


def rounds(times):
    def change(parts):
        for step in ANCHORS:
            exact = parts.arrays[f"anchored/{step}/moved/1/{KERNEL}"]
            parts.arrays[f"anchored/{step}/float32/{KERNEL}"] = exact + times * 1e-8

    return change


def test_a_port_may_round_ten_times_as_much_as_the_reference_and_no_more(compared):
    assert ROUNDING_FACTOR == 10
    assert compared(rounds(0.98 * ROUNDING_FACTOR))["trajectory"].status == PASS
    first = failing(compared(rounds(1.05 * ROUNDING_FACTOR))).first_failure
    assert (first.name, first.unit, first.step) == (f"rounding of {KERNEL}", "roundings", 0)
    assert first.worst == pytest.approx(1.05 * ROUNDING_FACTOR, rel=1e-5)


def test_a_port_whose_steps_cannot_be_repeated_has_no_rounding(compared):
    """What is open is told beside the levels; see `incomplete_training`."""

    def is_open(parts):
        rounds(99)(parts)
        parts.facts["incomplete"] = [{"what": "optimizer steps", "why": "", "do": ""}]

    trajectory = compared(is_open)["trajectory"]
    assert trajectory.status == PASS
    assert not [item for item in trajectory.items if item.unit == "roundings"]


def test_the_generators_of_masks_are_compared_where_the_port_draws_them(compared):
    first = failing(compared(moved("anchored/3/masks/dropout", 1))).first_failure
    assert (first.name, first.step) == ("generator of dropout's masks", 3)
    assert (first.worst, first.allowed) == (2, 0)

    def replayed(parts):
        for step in ANCHORS:
            del parts.arrays[f"anchored/{step}/masks/dropout"]

    assert statuses(compared(replayed)) == AGREE


def test_what_only_one_half_reports_of_a_step_is_left_out(compared):
    def lacks(*keys):
        def change(parts):
            for step in ANCHORS:
                for key in keys:
                    del parts.arrays[f"anchored/{step}/{key}"]

        return change

    left = "running/accuracy", f"slots/2/momentum/{KERNEL}"
    for levels in (compared(lacks(*left)), compared(None, lacks(*left))):
        trajectory = levels["trajectory"]
        assert trajectory.status == PASS
        names = {item.name for item in trajectory.items}
        assert names & {"accuracy", f"momentum of {KERNEL}"} == set()


# Ends of the port's epochs; those of Keras are 2, 4 and 6.
OTHER_STEPS = {
    "first": ([1, 2, 3], (2, 1, 0, 0)),
    "second": ([2, 3, 5], (2, 1, 1, 2)),
    "last": ([2, 4, 7], (2, 3, 2, 4)),
    "first of one that stopped": ([1, 2], (2, 1, 0, 0)),
}


@pytest.mark.parametrize(("ends", "expected"), OTHER_STEPS.values(), ids=OTHER_STEPS)
def test_the_first_epoch_with_another_number_of_steps_is_told(anchored, ends, expected):
    found = from_states(*anchored(lambda parts: parts.facts.update(epoch_ends=ends)))
    (item,) = (item for item in found.items if item.status == FAIL)
    assert item.name == "number of steps"
    assert (item.keras, item.torch, item.epoch, item.step) == expected


@pytest.mark.parametrize("ends", [[2, 4, 6], [2, 4], [2, 3], [1]], ids=str)
def test_a_half_may_stop_within_its_last_epoch_by_its_losses(anchored, ends):
    found = from_states(*anchored(lambda parts: parts.facts.update(epoch_ends=ends)))
    assert found.status == PASS


def test_a_reference_that_changes_on_its_way_is_not_compared_from_its_states(compared):
    """Its steps in float64 are not those that its training made, in all three of its states."""

    def changes(parts):
        for step in ANCHORS:
            parts.arrays[f"anchored/{step}/float32/{KERNEL}"] *= 2

    trajectory = compared(changes, changes)["trajectory"]
    assert (trajectory.status, trajectory.tolerance_source) == (SKIPPED, CHANGES)


def cleared(*steps):
    """A slot is cleared in front of some steps, or averaged: a single number is enough."""

    def change(parts):
        parts.arrays["between_steps"][list(steps)] = 1

    return change


@pytest.mark.parametrize(("steps", "epoch"), [((5,), 2), ((1, 4), 0), ((2,), 1)], ids=str)
def test_what_the_port_alone_changes_between_two_steps_fails_with_its_step(compared, steps, epoch):
    """No step from a recorded state shows it."""
    found = failing(compared(cleared(*steps)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", BETWEEN)
    assert (first.step, first.epoch) == (steps[0], epoch)
    assert (first.keras, first.torch) == (False, True)


def test_a_port_that_does_not_change_between_steps_what_keras_changes_fails(compared):
    found = failing(compared(None, cleared(2)))
    first = found.first_failure
    assert (found.id, first.name) == ("trajectory", BETWEEN)
    assert (first.keras, first.torch) == (True, False)


@pytest.mark.parametrize("steps", [(4,), (2, 4), (3,)], ids=str)
def test_where_both_halves_change_something_the_moment_may_hang_on_the_weights(compared, steps):
    assert compared(cleared(*steps), cleared(4))["trajectory"].status == PASS


def test_a_port_that_stops_earlier_is_compared_from_the_states_that_it_reached(anchored):
    def stopped(parts):
        ended(parts, 1)
        for key in [key for key in parts.arrays if key.startswith("anchored/3/")]:
            del parts.arrays[key]

    found = from_states(*anchored(stopped))
    assert found.status == PASS
    assert {item.step for item in found.items if item.unit == "rel"} == {0, 1}
    assert found.tolerance_source.startswith("2 recorded states")
