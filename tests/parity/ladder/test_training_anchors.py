"""Steps from recorded states are compared, and the free trainings may part."""

import pytest
from ladder_runs import AGREE, failed, failing, statuses
from trace_changes import added, both, fact, gone, scaled, set_to
from traces import ANCHORS, KERNEL, ended, weights_after

from parity.ladder.anchored import CHANGES, ROUNDING_FACTOR
from parity.ladder.anchored_tolerance import MOST
from parity.ladder.comparers.decisions import from_states
from parity.ladder.items import FAIL, PASS, SKIPPED
from parity.ladder.rounding import NOISE_FACTOR
from parity.traces.anchors import LAST_STEP, OTHERS

BETWEEN = "weights and slots changed between two steps"
MOMENTUM = f"slots/2/momentum/{KERNEL}"


def at_anchors(change, key, *values):
    """A change of an array at each recorded state."""
    return both(*(change(f"anchored/{step}/{key}", *values) for step in ANCHORS))


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


def rounds(times):
    return at_anchors(added, f"float32/{KERNEL}", (times - 1) * 1e-8)


def cleared(*steps):
    """A slot is cleared in front of some steps, or averaged: a single number is enough."""
    return set_to("between_steps", 1, list(steps))


def noisy(noise):
    return set_to(f"anchor_noise/{MOMENTUM}", noise)


def by_share(step, share):
    """The arrays of a step, each off by a share of its largest value, and what is told of each."""
    return [
        (
            added(f"anchored/{step}/{key}", share * size),
            (name, (step + number - 1) // 2, step + number),
            note,
        )
        for key, size, name, number, note in (
            (f"moved/1/{KERNEL}", 0.5, KERNEL, 1, "after one step"),
            (f"moved/2/{KERNEL}", 0.25, KERNEL, 2, "after 2 steps"),
            (MOMENTUM, 0.125, f"momentum of {KERNEL}", 2, "after 2 steps"),
            ("loss", 0.5, "loss", 2, ""),
            ("running/loss", 0.375, "loss", 2, ""),
            ("running/accuracy", 0.75, "accuracy", 2, ""),
        )
    ]


def test_trainings_that_agree_from_every_state_pass(compared):
    levels = compared()
    assert statuses(levels) == AGREE
    trajectory = levels["trajectory"]
    assert trajectory.not_compared == ()
    assert "3 recorded states, 3 steps each in float64" in trajectory.tolerance_source
    assert trajectory.tolerance_source.endswith("in the median of 13 states")


# What the port does otherwise, and what Keras.
AGREEING = [
    (part, None),  # the free trainings
    *((change, None) for step in ANCHORS for change, _, _ in by_share(step, 0.98e-9)),
    (rounds(0.98 * ROUNDING_FACTOR), None),
    (at_anchors(gone, "masks/dropout"), None),  # they are replayed
    *((fact(end, "ends_as"), fact(end, "ends_as")) for end in (LAST_STEP, "average", OTHERS)),
    # A rule may choose weights of another epoch by other losses.
    (fact(OTHERS, "ends_as"), both(fact(LAST_STEP, "ends_as"), fact([{}], "watched"))),
    # A loop may put the averages in place behind the last batch.
    (both(fact(True, "has_own_loop"), added(f"training/weights/6/{KERNEL}", 1)), None),
    # The moment at which both halves change something may hang on the weights.
    *((cleared(*steps), cleared(4)) for steps in ((4,), (2, 4), (3,))),
]


@pytest.mark.parametrize(("port", "keras"), AGREEING)
def test_free_trainings_moments_and_a_billionth_of_an_array_may_differ(compared, port, keras):
    assert statuses(compared(port, keras)) == AGREE


# What the port does otherwise, what Keras, what fails, and what the first failure tells.
FIRST = [
    *(
        (change, None, fails, {"unit": "rel", "worst": pytest.approx(1.05e-9, rel=1e-3)}, note)
        for step in ANCHORS
        for change, fails, note in by_share(step, 1.05e-9)
    ),
    *(
        (added(f"anchored/0/validation/{name}", 1e-8), None, (f"val_{name}", 0, 0), {}, "")
        for name in ("loss", "accuracy")
    ),
    (added("anchored/3/masks/dropout", 1), None, ("generator of dropout's masks", 1, 3),
     {"worst": 2, "allowed": 0}, ""),
    # No step from a recorded state shows what changes between two steps.
    *(
        (cleared(*steps), None, (BETWEEN, epoch, steps[0]), {"keras": False, "torch": True}, "")
        for steps, epoch in (((5,), 2), ((1, 4), 0), ((2,), 1))
    ),
    (None, cleared(2), (BETWEEN, None, None), {"keras": True, "torch": False}, ""),
    (fact(LAST_STEP, "ends_as"), fact("average", "ends_as"),
     ("weights that the training ends with", None, 6),
     {"keras": "average", "torch": LAST_STEP}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("port", "keras", "fails", "first", "note"), FIRST)
def test_what_differs_from_a_state_is_named_with_its_step(
    compared, port, keras, fails, first, note
):
    found = failing(compared(port, keras))
    assert (found.id, failed(found)) == ("trajectory", [fails])
    assert {name: getattr(found.first_failure, name) for name in first} == first
    assert found.first_failure.note.endswith(note)


@pytest.mark.parametrize(
    ("noise", "is_compared"), [(MOST / NOISE_FACTOR, True), (MOST / 29, False)]
)
def test_an_array_that_rounding_decides_is_not_compared_and_told(compared, noise, is_compared):
    assert MOST == 1e-3
    # The largest value is 0.125.
    found = compared(added(f"anchored/1/{MOMENTUM}", 1e-4), noisy(noise))["trajectory"]
    assert found.status == PASS
    told = dict(found.not_compared)
    if is_compared:
        assert not told
        return
    assert "rounding decides it" in told[f"momentum of {KERNEL} from the state at step 1"]
    # A difference above even that is a difference.
    wrong = compared(added(f"anchored/1/{MOMENTUM}", 1.0), noisy(noise))
    assert wrong["trajectory"].status == FAIL


def test_a_port_may_round_ten_times_as_much_as_the_reference_and_no_more(compared):
    assert ROUNDING_FACTOR == 10
    found = failing(compared(rounds(1.05 * ROUNDING_FACTOR)))
    first = found.first_failure
    assert failed(found) == [(f"rounding of {KERNEL}", step // 2, step) for step in ANCHORS]
    assert first.unit == "roundings"
    assert first.worst == pytest.approx(1.05 * ROUNDING_FACTOR, rel=1e-5)


def test_a_port_whose_steps_cannot_be_repeated_has_no_rounding(compared):
    """What is open is told beside the levels; see `incomplete_training`."""
    is_open = fact([{"what": "optimizer steps", "why": "", "do": ""}], "incomplete")
    trajectory = compared(both(rounds(99), is_open))["trajectory"]
    assert trajectory.status == PASS
    assert not [item for item in trajectory.items if item.unit == "roundings"]


def test_what_only_one_half_reports_of_a_step_is_left_out(compared):
    lacks = both(at_anchors(gone, "running/accuracy"), at_anchors(gone, MOMENTUM))
    for changes in ((lacks, None), (None, lacks)):
        trajectory = compared(*changes)["trajectory"]
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
    found = from_states(*anchored(fact(ends, "epoch_ends")))
    (item,) = (item for item in found.items if item.status == FAIL)
    assert item.name == "number of steps"
    assert (item.keras, item.torch, item.epoch, item.step) == expected


@pytest.mark.parametrize("ends", [[2, 4, 6], [2, 4], [2, 3], [1]], ids=str)
def test_a_half_may_stop_within_its_last_epoch_by_its_losses(anchored, ends):
    found = from_states(*anchored(fact(ends, "epoch_ends")))
    assert found.status == PASS


def test_a_reference_that_changes_on_its_way_is_not_compared_from_its_states(compared):
    """Its steps in float64 are not those that its training made, in all three of its states."""
    changes = at_anchors(scaled, f"float32/{KERNEL}", 2)
    trajectory = compared(changes, changes)["trajectory"]
    assert (trajectory.status, trajectory.tolerance_source) == (SKIPPED, CHANGES)


def test_a_port_that_stops_earlier_is_compared_from_the_states_that_it_reached(anchored):
    def stopped(parts):
        ended(parts, 1)
        for key in [key for key in parts.arrays if key.startswith("anchored/3/")]:
            del parts.arrays[key]

    found = from_states(*anchored(stopped))
    assert found.status == PASS
    assert {item.step for item in found.items if item.unit == "rel"} == {0, 1}
    assert found.tolerance_source.startswith("2 recorded states")
