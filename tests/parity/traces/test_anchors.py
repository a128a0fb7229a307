"""Which steps of a run have an anchor."""

import numpy as np
from rows import each_row

from parity.programs.run_spec import RunSpec
from parity.traces.anchors import (
    LEAST,
    MOST_BYTES,
    NUM_MEASURED,
    NUM_VALIDATED,
    AnchorPlan,
    are_needed,
    spread,
)


def steps_of(*arguments):
    return AnchorPlan.of(*arguments).steps


@each_row(("steps_per_epoch", "epochs"), [(22, 1), (19, 2), (100, 3), (40, 50)])
def test_a_run_has_at_least_twenty_anchors_and_each_epoch_three(steps_per_epoch, epochs):
    steps = steps_of(steps_per_epoch, epochs, 1000)
    by_epoch = np.bincount(np.array(steps) // steps_per_epoch, minlength=epochs)
    assert min(by_epoch) >= 3
    assert len(steps) >= LEAST


@each_row(
    ("arguments", "number"),
    [
        # 20 epochs with three anchors each, and the second step of the run.
        ((19, 20, 1000), 61),
        *(((1, 1, 1000), 1), ((1, 4, 1000), 4), ((3, 4, 1000), 5)),
        # Of few epochs each has as many anchors as make twenty.
        *(((100, 1, 1000), 21), ((100, 2, 1000), 21), ((100, 3, 1000), 22)),
        # Half a gigabyte is kept: a hundred anchors of five megabytes are 500 megabytes; 107 fit,
        # three in an epoch. At least twenty are kept, and the second step.
        *(((10, 1000, 5_000_000), 3 * 35 + 1), ((10, 1000, 0), 3 * 1000 + 1)),
        *(((10, 1000, MOST_BYTES), 3 * 6 + 1), ((10, 1000, MOST_BYTES // 60), 61)),
    ],
)
def test_so_many_anchors_are_kept(arguments, number):
    assert len(steps_of(*arguments)) == number


# Ten in 97 steps: one in every 10.78.
IN_EPOCH = [0, 11, 22, 32, 43, 54, 65, 75, 86, 97]


@each_row(
    ("arguments", "first", "last"),
    [
        # At the begin of an epoch, in its middle and before its last three steps: 16 + 3 = 19.
        ((19, 20, 1000), [0, 1, 8, 16, 19, 27, 35], [19 * 19 + 16]),
        ((100, 2, 1000), [0, 1, *IN_EPOCH[1:]], [100 + step for step in IN_EPOCH]),
        # An epoch that is as short as the steps from an anchor has one.
        ((1, 1, 1000), [0], [0]),
        ((1, 4, 1000), [0], [1, 2, 3]),
        ((3, 4, 1000), [0, 1], [3, 6, 9]),
    ],
)
def test_anchors_lie_evenly_in_their_epochs(arguments, first, last):
    steps = steps_of(*arguments)
    assert steps[: len(first)] == first
    assert steps[-len(last) :] == last


def test_a_run_has_so_many_steps():
    assert RunSpec(batch_size=7, epochs=5000).num_steps(7) == 5000
    assert RunSpec(batch_size=3, epochs=4).num_steps(7) == 12


def test_epochs_are_left_out_evenly_where_all_anchors_would_be_too_large():
    steps = steps_of(10, 1000, MOST_BYTES // 60)
    epochs = sorted({step // 10 for step in steps})
    # Sixty anchors fit, three in an epoch.
    assert len(epochs) == 20
    assert (epochs[0], epochs[-1]) == (0, 999)
    assert max(np.diff(epochs)) - min(np.diff(epochs)) <= 1


def test_noise_and_validation_are_measured_at_some_anchors_from_the_first_on():
    plan = AnchorPlan.of(19, 50, 1000)
    assert len(plan.measured) == NUM_MEASURED == 10
    assert len(plan.validated) == NUM_VALIDATED == 20
    assert {*plan.measured, *plan.validated} <= {*plan.steps}
    assert (plan.measured[0], plan.measured[-1]) == (plan.steps[0], plan.steps[-1])
    assert all(step % 19 == 0 for step in plan.validated)


@each_row(
    ("most", "expected"),
    [(1, [0]), (2, [0, 9]), (4, [0, 3, 6, 9]), (10, list(range(10))), (99, list(range(10)))],
)
def test_values_are_spread_evenly_from_the_first_to_the_last(most, expected):
    assert spread(range(10), most) == expected


def test_half_of_the_values_are_in_front_of_steps_that_move_weights():
    # 3, 7, 11, 15 and 19 end a period of four.
    assert spread(range(20), 4, 4) == [0, 3, 19]
    assert spread(range(20), 8, 4) == [0, 3, 6, 7, 13, 15, 19]
    assert spread([0, 4, 8], 2, 4) == [0]


@each_row(
    ("dtype", "num_steps", "expected"),
    [
        *(("float32", 1, True), ("float64", 1, False)),
        *(("float64", 5000, False), ("float64", 5001, True)),
    ],
)
def test_float32_and_long_runs_need_anchors(dtype, num_steps, expected):
    assert are_needed(dtype, num_steps) is expected
