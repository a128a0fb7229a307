"""Ports with loops and optimizers of their own, in float32: right ones pass, mistakes are told."""

import pytest
from programs_here import keras_half, result_of, spec_of

TRAJECTORY = "trajectory"


@pytest.fixture
def found(tmp_path_factory, tmp_path):
    """Returns the result of a port of a program; Keras trains each program once."""

    def compare(model, port):
        spec = spec_of(f"loops_keras.py:{model}", f"loops_torch.py:{port}", epochs=None)
        return result_of(spec, tmp_path / port, keras_half(tmp_path_factory, spec))

    return compare


@pytest.mark.parametrize("model", ["normalised", "summed"])
def test_a_right_loop_passes(found, model):
    result = found(model, model)
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
    result = found("normalised", port)
    first = result.first
    assert (result.verdict, first.level, first.item.name) == ("fail", TRAJECTORY, item)
    assert (first.item.step, first.causes[0]["id"]) == (step, cause)
    assert first.causes[0]["confidence"] >= 0.99


def test_gradients_that_are_added_up_anew_in_each_epoch_are_another_training(found):
    assert found("summed", "counted_anew").verdict == "fail"


def test_a_validation_in_train_mode_is_found_where_it_first_moves_statistics(found):
    result = found("normalised", "no_eval")
    assert (result.verdict, result.first.level, result.first.item.step) == ("fail", TRAJECTORY, 6)
