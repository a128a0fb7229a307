"""What the port makes of a layer's output before the next layer is named by its numbers."""

import numpy as np
import one_layer
import pytest
from check_evidence import evidence_of, names

from parity.divergences import arithmetic

X = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
STEPS = np.random.default_rng(1).normal(size=(3, 6, 4))


def test_a_view_in_the_place_of_a_permute_is_named():
    theirs = X.transpose(0, 2, 1, 3)
    ours = X.reshape(theirs.shape)
    found = one_layer.behind("permute", {}, X, theirs, theirs, ours)
    assert one_layer.first(found) == "A26"


def test_numbers_that_are_not_the_same_are_no_other_order():
    theirs = X.transpose(0, 2, 1, 3)
    ours = theirs + 0.01 * np.arange(5)[:, None, None]
    assert "A26" not in one_layer.names(one_layer.behind("permute", {}, X, theirs, theirs, ours))


def test_samples_that_are_mixed_by_a_repeat_are_named():
    x = STEPS[:, 0]
    theirs = np.repeat(x[:, None], 5, axis=1)
    ours = np.concatenate([x] * 5).reshape(theirs.shape)
    found = one_layer.behind("repeat", {}, x, theirs, theirs, ours)
    assert one_layer.first(found) == "A26"


@pytest.mark.parametrize(
    ("told", "reduced"),
    [
        ("the maximum", STEPS.max(1)),
        ("the sum", STEPS.sum(1)),
        ("the last step", STEPS[:, -1]),
        ("the first step", STEPS[:, 0]),
    ],
)
def test_another_reduction_than_the_mean_is_named(told, reduced):
    mean = STEPS.mean(1)
    found = one_layer.behind("global_average_pool", {}, STEPS, mean, mean, reduced)
    assert one_layer.names(found)["A23"].startswith(f"the port takes {told} ")


def test_a_factor_is_named_with_its_size():
    theirs = np.maximum(STEPS, 0)
    found = one_layer.behind("add", {}, STEPS, theirs, theirs, theirs / 7)
    assert one_layer.names(found)["A27"] == "after here, the port has 0.142857 times Keras's values"


def test_the_last_step_of_a_backward_direction_is_named():
    theirs = STEPS[:, 0]
    ours = theirs.copy()
    ours[:, 2:] = STEPS[:, 1, 2:]
    found = one_layer.behind("bidirectional", {}, STEPS, theirs, theirs, ours)
    assert one_layer.first(found) == "A25"


def test_two_wrong_directions_are_not_the_last_step():
    theirs = STEPS[:, 0]
    found = one_layer.behind("bidirectional", {}, STEPS, theirs, theirs, STEPS[:, 1])
    assert "A25" not in one_layer.names(found)


def wrong_outputs(change):
    """A port in which every layer agrees, and its outputs do not."""

    def port(parts):
        for mode in ("eval", "train"):
            key = f"forward/{mode}/output"
            parts.arrays[key] = change(parts.arrays[key])

    return port


def test_an_output_with_the_same_numbers_in_another_order_is_named(tmp_path):
    found = names(evidence_of(tmp_path, port=wrong_outputs(lambda y: y[:, ::-1])))
    assert next(iter(found)) == "A26"


def test_another_output_behind_layers_that_agree_is_placed(tmp_path):
    found = names(evidence_of(tmp_path, port=wrong_outputs(lambda y: y + 0.1 * y**2)))
    assert found == {"N1": "what comes after the last layer that was compared"}


def test_an_output_that_is_moved_by_a_number_is_named(tmp_path):
    found = names(evidence_of(tmp_path, port=wrong_outputs(lambda y: y + 0.1)))
    assert found == {"A27": "the port has Keras's values plus 0.1"}


def test_an_output_that_is_a_multiple_is_named(tmp_path):
    found = names(evidence_of(tmp_path, port=wrong_outputs(lambda y: -0.3 * y)))
    assert found["A27"] == "the port returns -0.3 times Keras's values"


def in_code(x, theirs, ours, kind="dense"):
    """Evidence of what the code of a model makes of the output of a layer of a known partner."""
    return one_layer.behind(kind, {}, x[:, :1], x, theirs, ours)


def leaky(slope):
    return np.where(STEPS < 0, slope * STEPS, STEPS)


def test_a_slope_in_the_code_of_a_model_is_named():
    found = one_layer.names(in_code(STEPS, leaky(0.2), leaky(0.07)))
    assert found["A13"] == "after here, leaky_relu (0.2) in Keras, leaky_relu (0.07) in the port"
    assert not {"A16", "A20"} & found.keys()


def test_another_function_in_the_code_of_a_model_is_named():
    found = one_layer.names(in_code(STEPS, np.tanh(STEPS), np.maximum(STEPS, 0)))
    assert found["A16"] == "after here, tanh in Keras, relu in the port"
    exact, tanh = (arithmetic.ACTIVATIONS[f"gelu ({name})"](STEPS) for name in ("exact", "tanh"))
    assert one_layer.first(in_code(STEPS, tanh, exact)) == "A20"
    rounded = exact * (1 + 1e-8)  # TensorFlow has a constant in float32
    assert "A20" not in one_layer.names(in_code(STEPS, exact, rounded))


def test_what_no_function_of_single_values_gives_is_not_named():
    found = one_layer.names(in_code(STEPS, np.tanh(STEPS), np.cumsum(STEPS, axis=1)))
    assert not {"A13", "A16", "A20"} & found.keys()


def test_another_part_of_a_tensor_is_named():
    found = in_code(STEPS, STEPS[..., 2:], STEPS[..., :2])
    assert one_layer.names(found)["A22"] == "the port takes part 0 of 2 of here, Keras part 1"
    found = in_code(STEPS, STEPS[..., 2:], STEPS[..., 1:3])
    assert "A22" not in one_layer.names(found)
