"""How far a port may be from the reference after steps from an anchor, by hand."""

import numpy as np
import pytest
from traces import ANCHORS, KERNEL, anchored_parts

from parity.ladder.anchored import (
    is_repeated,
    read_steps,
    roundings,
)

MOMENTUM = f"slots/2/momentum/{KERNEL}"
MOVED = f"moved/2/{KERNEL}"
INF = float("inf")


def test_generators_and_what_float32_computes_are_no_results_of_the_steps(tmp_path):
    trace = anchored_parts().write(tmp_path / "keras")
    of_steps = {"loss", "running/loss", "running/accuracy", f"moved/1/{KERNEL}", MOVED, MOMENTUM}
    assert set(read_steps(trace, 1)) == of_steps
    assert set(read_steps(trace, 0)) == of_steps | {"validation/loss", "validation/accuracy"}


STEPS = tuple(range(20))


@pytest.fixture
def rounded(tmp_path):
    """How a port rounds at twenty anchors, by what its steps in float32 are off there."""

    def write(name, off):
        parts = anchored_parts()
        for step, by in enumerate(off):
            exact = np.array([0.5, 0.25])
            parts.arrays |= {
                f"anchored/{step}/moved/1/{KERNEL}": exact,
                f"anchored/{step}/float32/{KERNEL}": exact + by,
            }
        return parts.write(tmp_path / name)

    def make(theirs, ours):
        found = roundings(write("keras", theirs), write("torch", ours), list(STEPS))
        return [each[KERNEL] for each in found]

    return make


def test_a_port_that_rounds_as_the_reference_has_a_ratio_of_one(rounded):
    assert rounded([1e-8] * 20, [1e-8] * 20) == pytest.approx([1] * 20, rel=1e-6)


def test_roundings_down_count_as_those_up(rounded):
    assert rounded([-1e-8] * 20, [-2e-8] * 20) == pytest.approx([2] * 20, rel=1e-6)


def test_the_port_has_the_median_of_six_anchors_on_each_side(rounded):
    found = rounded([1e-8] * 20, [1e-8 * number for number in range(1, 21)])
    # At the ends there are fewer: at first the medians of 1 to 7, 1 to 8, ...
    ends = [4, 4.5, 5, 5.5, 6, 6.5], [14.5, 15, 15.5, 16, 16.5, 17]
    assert found == pytest.approx([*ends[0], *range(7, 15), *ends[1]], rel=1e-6)


def test_the_reference_has_the_upper_fifth_of_them(rounded):
    found = rounded([1e-8 * number for number in range(1, 21)], [1e-8] * 20)
    # Of 13 the eleventh, and of 7 at both ends the sixth.
    assert found[7] == pytest.approx(1 / 12, rel=1e-6)
    assert (found[0], found[-1]) == pytest.approx((1 / 6, 1 / 19), rel=1e-6)


def test_a_comparison_that_rounding_decides_otherwise_in_some_steps_does_not_count(rounded):
    theirs, ours = [1e-8] * 20, [2e-8] * 20
    for step in (3, 9, 15):
        ours[step] = 1e-4
    theirs[5] = 1e-4
    assert rounded(theirs, ours) == pytest.approx([2] * 20, rel=1e-6)


def test_less_precision_from_a_step_on_is_seen_from_there_on(rounded):
    ours = [1e-8] * 10 + [1e-5] * 10
    found = rounded([1e-8] * 20, ours)
    # Of the 13 steps around the eleventh, seven are rounded more.
    assert found[:10] == pytest.approx([1] * 10, rel=1e-6)
    assert found[10:] == pytest.approx([1000] * 10, rel=1e-6)


def test_steps_that_are_exact_in_both_halves_do_not_differ(rounded):
    assert rounded([0.0] * 20, [0.0] * 20) == [0.0] * 20
    assert rounded([0.0] * 20, [1e-8] * 20) == [INF] * 20


@pytest.mark.parametrize("kind", ["float32", "moved/1"])
def test_a_step_that_is_not_there_in_one_precision_is_infinitely_far(tmp_path, kind):
    keras, torch = anchored_parts(), anchored_parts()
    for step in ANCHORS:
        del torch.arrays[f"anchored/{step}/{kind}/{KERNEL}"]
    traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
    assert roundings(*traces, list(ANCHORS)) == [{KERNEL: INF}] * 3


@pytest.mark.parametrize(
    "values", [[np.nan, 0.25], [INF, -INF], []], ids=["both diverge", "both overflow", "no values"]
)
def test_what_is_the_same_in_either_precision_is_not_rounded(tmp_path, values):
    parts = anchored_parts()
    for step in ANCHORS:
        for key in ("moved/1", "float32"):
            parts.arrays[f"anchored/{step}/{key}/{KERNEL}"] = np.array(values)
    trace = parts.write(tmp_path / "keras")
    assert roundings(trace, trace, list(ANCHORS)) == [{KERNEL: 0.0}] * 3


def test_a_step_that_diverges_in_one_precision_only_is_infinitely_far(tmp_path):
    keras, torch = anchored_parts(), anchored_parts()
    for step in ANCHORS:
        torch.arrays[f"anchored/{step}/float32/{KERNEL}"][0] = np.nan
    traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
    assert roundings(*traces, list(ANCHORS)) == [{KERNEL: INF}] * 3


@pytest.mark.parametrize("length", [3, 5])
def test_a_step_of_another_shape_is_infinitely_far(tmp_path, length):
    keras, torch = anchored_parts(), anchored_parts()
    for step in ANCHORS:
        torch.arrays[f"anchored/{step}/float32/{KERNEL}"] = np.full(length, 0.5)
    traces = keras.write(tmp_path / "keras"), torch.write(tmp_path / "torch")
    assert roundings(*traces, list(ANCHORS)) == [{KERNEL: INF}] * 3


@pytest.mark.parametrize("steps", [[], [0]], ids=str)
def test_a_run_may_have_one_anchor_or_none_that_both_halves_reached(tmp_path, steps):
    trace = anchored_parts().write(tmp_path / "keras")
    assert roundings(trace, trace, steps) == [{KERNEL: 1.0}] * len(steps)


def test_a_run_in_float64_has_no_rounding_to_compare(tmp_path):
    parts = anchored_parts()
    for step in ANCHORS:
        del parts.arrays[f"anchored/{step}/float32/{KERNEL}"]
    trace = parts.write(tmp_path / "keras")
    assert roundings(trace, trace, list(ANCHORS)) == [{}] * 3


@pytest.fixture
def repeated(tmp_path):
    """Whether steps count as repeated: moves in float64, and those that training made in float32.

    The one weight of each state is at most 0.5, so that float32 may round a move by 6e-8.
    """

    def make(*moves):
        parts = anchored_parts()
        for step, (exact, own) in enumerate(moves):
            parts.arrays |= {
                f"anchored/{step}/moved/1/{KERNEL}": np.array([exact]),
                f"anchored/{step}/float32/{KERNEL}": np.array([own]),
                f"anchored/{step}/size/{KERNEL}": np.array(0.5),
            }
        return is_repeated(parts.write(tmp_path / "keras"), list(range(len(moves))))

    return make


SAME, OTHER, NONE = (1e-3, 1.05e-3), (1e-3, 1.2e-3), (1e-3, 0.0)


@pytest.mark.parametrize(
    ("moves", "expected"),
    [
        ([SAME] * 4, True),
        ([OTHER] + [SAME] * 3, True),  # rounding decides a pool in one of them
        ([OTHER] * 2 + [SAME] * 7, True),
        ([OTHER] * 2 + [SAME] * 6, False),
        ([NONE] * 2, False),  # a layer that is frozen by then
    ],
    ids=["alike", "one of four", "two of nine", "two of eight", "not moved"],
)
def test_a_fourth_of_the_states_with_other_steps_shows_a_program_that_changes(
    repeated, moves, expected
):
    assert repeated(*moves) is expected


@pytest.mark.parametrize(
    ("move", "expected"),
    [((1e-10, 0.0), True), ((1e-10, 5.9e-8), True), ((1e-8, -8e-8), False)],
    ids=["too small to move", "moved by one unit", "moved by more"],
)
def test_moves_below_the_rounding_of_a_weight_are_the_same(repeated, move, expected):
    assert repeated(*[move] * 4) is expected
