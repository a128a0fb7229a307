"""How a port rounds beside the reference at anchors, and whether their steps are the training's."""

import numpy as np
import pytest
from traces import ANCHORS, KERNEL, anchored_parts

from parity.ladder.anchored import is_repeated, read_steps, roundings

MOMENTUM = f"slots/2/momentum/{KERNEL}"
MOVED, ROUNDED = f"moved/1/{KERNEL}", f"float32/{KERNEL}"
INF, NAN = float("inf"), np.nan


@pytest.fixture
def trace(tmp_path):
    """Writes the trace of a training, of which some arrays at some anchors are others, or gone."""

    def make(name, anchors=()):
        parts = anchored_parts()
        for step, arrays in dict(anchors).items():
            for key, array in arrays.items():
                parts.arrays[f"anchored/{step}/{key}"] = np.array(array)
                if array is None:
                    del parts.arrays[f"anchored/{step}/{key}"]
        return parts.write(tmp_path / name)

    return make


def test_generators_and_what_float32_computes_are_no_results_of_the_steps(trace):
    keras = trace("keras")
    of_steps = {
        *("loss", "running/loss", "running/accuracy"),
        *(MOVED, f"moved/2/{KERNEL}", MOMENTUM),
    }
    assert set(read_steps(keras, 1)) == of_steps
    assert set(read_steps(keras, 0)) == of_steps | {"validation/loss", "validation/accuracy"}


EVEN, RISING = [1e-8] * 20, [1e-8 * number for number in range(1, 21)]
# What the steps of Keras and of the port in float32 are off at twenty anchors, and the ratios.
SERIES = {
    "roundings down count as those up": ([-1e-8] * 20, [-2e-8] * 20, [2] * 20),
    # At the ends there are fewer: at first the medians of 1 to 7, 1 to 8, ...
    "the port has the median of six anchors on each side": (
        EVEN,
        RISING,
        [4, 4.5, 5, 5.5, 6, 6.5, *range(7, 15), 14.5, 15, 15.5, 16, 16.5, 17],
    ),
    "one that rounding decides otherwise does not count": (
        [1e-4 if n == 5 else 1e-8 for n in range(20)],
        [1e-4 if n in (3, 9, 15) else 2e-8 for n in range(20)],
        [2] * 20,
    ),
    # Of the 13 steps around the eleventh, seven are rounded more.
    "less precision from a step on": (EVEN, [1e-8] * 10 + [1e-5] * 10, [1] * 10 + [1000] * 10),
    "exact in both": ([0.0] * 20, [0.0] * 20, [0] * 20),
    "exact in the reference": ([0.0] * 20, EVEN, [INF] * 20),
}


def of_series(trace, theirs, ours, weight=KERNEL):
    halves = []
    for name, off in (("keras", theirs), ("torch", ours)):
        exact, keys = np.array([0.5, 0.25]), (f"moved/1/{weight}", f"float32/{weight}")
        steps = {n: dict(zip(keys, (exact, exact + by), strict=True)) for n, by in enumerate(off)}
        halves.append(trace(name, steps))
    return [each[weight] for each in roundings(*halves, list(range(20)))]


@pytest.mark.parametrize(("theirs", "ours", "expected"), SERIES.values(), ids=SERIES)
def test_a_port_is_rounded_as_many_times_as_much_as_the_reference(trace, theirs, ours, expected):
    for weight in (KERNEL, "both_ways.forward/cell/kernel"):
        assert of_series(trace, theirs, ours, weight) == pytest.approx(expected, rel=1e-6)


def test_the_reference_has_the_upper_fifth_of_them(trace):
    found = of_series(trace, RISING, EVEN)
    # Of 13 the eleventh, and of 7 at both ends the sixth.
    assert (found[7], found[0], found[-1]) == pytest.approx((1 / 12, 1 / 6, 1 / 19), rel=1e-6)


# Arrays of the port at each anchor, those of Keras (or the usual ones), and the ratio.
ODD = {
    "not there in float32": ({ROUNDED: None}, {}, INF),
    "not there in float64": ({MOVED: None}, {}, INF),
    "diverges in float32 only": ({ROUNDED: [NAN, 0.25, -0.5, 0.125]}, {}, INF),
    "of less entries": ({ROUNDED: [0.5] * 3}, {}, INF),
    "of more entries": ({ROUNDED: [0.5] * 5}, {}, INF),
    **{
        name: ({MOVED: values, ROUNDED: values}, {MOVED: values, ROUNDED: values}, 0.0)
        for name, values in (("both diverge", [NAN, 1]), ("overflow", [INF, -INF]), ("empty", []))
    },
}


@pytest.mark.parametrize(("ours", "theirs", "expected"), ODD.values(), ids=ODD)
def test_what_is_not_in_both_precisions_is_infinitely_far(trace, ours, theirs, expected):
    halves = [
        trace(name, dict.fromkeys(ANCHORS, arrays))
        for name, arrays in (("keras", theirs), ("torch", ours))
    ]
    assert roundings(*halves, list(ANCHORS)) == [{KERNEL: expected}] * 3


def test_a_run_may_have_no_anchor_that_both_halves_reached_and_none_of_float64_is_rounded(trace):
    keras = trace("keras")
    for steps in ([], [0]):
        assert roundings(keras, keras, steps) == [{KERNEL: 1.0}] * len(steps)
    exact = trace("float64", {step: {ROUNDED: None} for step in ANCHORS})
    assert roundings(exact, exact, list(ANCHORS)) == [{}] * 3


# Moves in float64, and those that training made in float32. The weight is at most 0.5, so that
# float32 may round a move by 6e-8.
SAME, OTHER = (1e-3, 1.05e-3), (1e-3, 1.2e-3)
REPEATED = {
    "rounding decides a pool in one of them": ([OTHER] + [SAME] * 3, True),
    "two of nine": ([OTHER] * 2 + [SAME] * 7, True),
    "two of eight": ([OTHER] * 2 + [SAME] * 6, False),
    "a layer that is frozen by then": ([(1e-3, 0.0)] * 2, False),
    "too small to move": ([(1e-10, 0.0)] * 4, True),
    "moved by one unit": ([(1e-10, 5.9e-8)] * 4, True),
    "moved by more": ([(1e-8, -8e-8)] * 4, False),
}


@pytest.mark.parametrize(("moves", "expected"), REPEATED.values(), ids=REPEATED)
def test_a_fourth_of_the_states_with_other_steps_shows_a_program_that_changes(
    trace, moves, expected
):
    anchors = {
        step: {MOVED: [exact], ROUNDED: [trained], f"size/{KERNEL}": 0.5}
        for step, (exact, trained) in enumerate(moves)
    }
    assert is_repeated(trace("keras", anchors), list(range(len(moves)))) is expected
