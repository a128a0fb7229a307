"""Ports with loops and optimizers of their own: right ones pass, mistakes are told."""

import pytest
from programs_here import keras_half, result_of, spec_of

TRAJECTORY = "trajectory"


@pytest.fixture
def found(tmp_path_factory, tmp_path):
    """Returns the result of a port of a program; Keras trains each program once."""

    def compare(model, port, dtype):
        sides = f"loops_keras.py:{model}", f"loops_torch.py:{port}"
        spec = spec_of(*sides, epochs=None, dtype=dtype)
        return result_of(spec, tmp_path / port, keras_half(tmp_path_factory, spec))

    return compare


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("model", ["normalised", "summed", "averaged", "cut_with_momentum"])
def test_a_right_loop_passes(found, model, dtype):
    result = found(model, model, dtype)
    assert (result.verdict, result.incomplete) == ("pass", ()), result.first


@pytest.mark.parametrize(
    ("port", "item", "step", "cause"),
    [
        ("no_train", "train mode", 7, "C7"),
        ("eval_for_one", "train mode", 11, "C7"),
        ("other_batch", "batch of the step", 11, "I4"),
        ("two_steps", "steps of the optimizer for the batch", 11, "I4"),
    ],
)
def test_a_mistake_from_the_second_epoch_on_is_found_where_it_is_made(
    found, port, item, step, cause
):
    result = found("normalised", port, "float64")
    first = result.first
    assert (result.verdict, first.level, first.item.name) == ("fail", TRAJECTORY, item)
    assert (first.item.step, first.causes[0]["id"]) == (step, cause)
    assert first.causes[0]["confidence"] >= 0.99


def test_gradients_that_are_added_up_anew_in_each_epoch_are_another_training(found):
    assert found("summed", "counted_anew", "float64").verdict == "fail"


@pytest.mark.parametrize(
    ("port", "item", "step", "cause"),
    [
        ("not_applied", "weights that the training ends with", 18, "F14"),
        ("too_early", "weights and slots changed between two steps", 12, "I4"),
        ("other_average", "average of dense_1.kernel", 1, "I4"),
        ("no_cut", "learning_rate", 13, "G12"),
    ],
)
def test_what_a_loop_averages_and_decides_is_compared(found, port, item, step, cause):
    result = found("averaged", port, "float32")
    assert (result.verdict, result.first.item.name) == ("fail", item)
    assert result.first.item.step == step
    assert [each["id"] for each in result.first.causes[:1]] == ([cause] if cause else [])


def test_a_momentum_that_a_cut_of_the_rate_scales_at_once_is_another_training(found):
    result = found("cut_with_momentum", "momentum_of_torch", "float32")
    assert (result.verdict, result.first.level) == ("fail", "optimizer")
    assert result.first.causes[0]["id"] == "F5"


def test_a_validation_in_train_mode_is_found_where_it_first_moves_statistics(found):
    result = found("normalised", "no_eval", "float64")
    assert (result.verdict, result.first.level, result.first.item.step) == ("fail", TRAJECTORY, 6)
