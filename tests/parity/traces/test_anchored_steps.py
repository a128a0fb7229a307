"""What the steps from an anchor leave in a trace."""

import numpy as np

from parity.traces.trace import TraceWriter
from parity.traces.training_recorder import MAX_ENTRIES, AnchoredSteps, moved


def made(num_steps):
    steps = AnchoredSteps({"w": np.float32([10.0])}, num_steps)
    for number in range(1, num_steps + 1):
        steps.keep(1 / number, {"loss": 2.0 * number, "auc": 0.25 * number})
        steps.keep_state(
            {"w": np.array([10.0 + number])}, {"momentum": {"w": np.float32([-number])}}
        )
    return steps


def test_each_loss_the_last_numbers_the_weights_of_each_step_and_slots_of_the_ends_are_kept():
    arrays = made(3).arrays
    assert {key: array.tolist() for key, array in arrays.items()} == {
        **{"loss": [1, 1 / 2, 1 / 3], "running/loss": 6, "running/auc": 0.75},
        **{f"moved/{n}/w": [n] for n in (1, 2, 3)},
        **{f"slots/{n}/momentum/w": [-n] for n in (1, 3)},
    }
    assert {array.dtype for array in arrays.values()} == {np.dtype("float64")}


def test_a_loss_that_is_not_known_of_each_step_is_left_out():
    """A loop of the port's own may tell it after some steps only."""
    steps = AnchoredSteps({}, 2)
    steps.keep(None, {})
    steps.keep(0.5, {"loss": 0.5})
    assert {key: array.item() for key, array in steps.arrays.items()} == {"running/loss": 0.5}


def test_they_are_written_below_the_number_of_the_step():
    writer = TraceWriter()
    steps = made(1)
    steps.keep_running({})
    steps.keep_validation({})
    steps.write(writer, 17)
    assert set(writer.arrays) == {f"anchored/17/{key}" for key in made(1).arrays}


def test_how_far_a_weight_moves_is_told_in_float64():
    """In float32 the difference of these two would be 0."""
    assert moved({"w": np.float32([1.0])}, {"w": np.array([1.0 + 1e-9])})["w"][0] > 0.99e-9


def test_of_a_large_weight_an_even_part_is_kept():
    start = {"w": np.zeros((40, 50), np.float32)}
    by = moved(start, {"w": np.arange(2000.0).reshape(40, 50)})["w"]
    assert MAX_ENTRIES == 256
    assert MAX_ENTRIES / 2 < len(by) <= MAX_ENTRIES
    assert len(set(np.diff(by))) == 1


def test_validation_is_kept_by_name_where_it_was_asked_for():
    steps = AnchoredSteps({}, 1)
    steps.keep_validation({"loss": np.float32(0.5), "accuracy": 0.75})
    kept = {key: (array.item(), array.dtype) for key, array in steps.arrays.items()}
    float64 = np.dtype("float64")
    assert kept == {"validation/loss": (0.5, float64), "validation/accuracy": (0.75, float64)}
