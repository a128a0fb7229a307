"""What the port makes of a layer's output before the next layer is named by its numbers."""

import numpy as np
import one_layer
import pytest
from check_evidence import evidence_of, names

from parity.divergences import arithmetic

X = np.random.default_rng(0).normal(size=(3, 4, 5, 2))
STEPS = np.random.default_rng(1).normal(size=(3, 6, 4))


REPEATED = np.repeat(STEPS[:, :1], 5, axis=1)
TURNED = X.transpose(0, 2, 1, 3)
ONE_STEP = np.concatenate([STEPS[:, 0, :2], STEPS[:, 1, 2:]], axis=1)
MEAN = STEPS.mean(1)
# kind: (Keras's input, Keras's output, what the port makes of it, the cause, what is said of it)
MADE = {
    "view": ("permute", X, TURNED, X.reshape(TURNED.shape), "A26", ""),
    "repeat": ("repeat", STEPS[:, 0], REPEATED,
               np.concatenate([STEPS[:, 0]] * 5).reshape(REPEATED.shape), "A26", ""),
    "maximum": ("global_average_pool", STEPS, MEAN, STEPS.max(1), "A23",
                "the port takes the maximum "),
    "sum": ("global_average_pool", STEPS, MEAN, STEPS.sum(1), "A23", "the port takes the sum "),
    "last step": ("global_average_pool", STEPS, MEAN, STEPS[:, -1], "A23",
                  "the port takes the last step "),
    "first step": ("global_average_pool", STEPS, MEAN, STEPS[:, 0], "A23",
                   "the port takes the first step "),
    "factor": ("add", STEPS, np.maximum(STEPS, 0), np.maximum(STEPS, 0) / 7, "A27",
               "after here, the port has 0.142857 times Keras's values"),
    "backward": ("bidirectional", STEPS, STEPS[:, 0], ONE_STEP, "A25", ""),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "x", "theirs", "ours", "cause", "text"), MADE.values(), ids=MADE)
def test_what_is_made_of_the_output_of_a_layer_is_named(kind, x, theirs, ours, cause, text):
    found = one_layer.behind(kind, {}, x, theirs, theirs, ours)
    assert cause == "A23" or one_layer.first(found) == cause
    assert one_layer.names(found)[cause].startswith(text)


@pytest.mark.parametrize(
    ("kind", "x", "theirs", "ours", "cause"),
    [
        ("permute", X, TURNED, TURNED + 0.01 * np.arange(5)[:, None, None], "A26"),
        ("bidirectional", STEPS, STEPS[:, 0], STEPS[:, 1], "A25"),
    ],
    ids=["other_numbers", "both_directions"],
)
def test_what_gives_other_numbers_is_not_named(kind, x, theirs, ours, cause):
    assert cause not in one_layer.names(one_layer.behind(kind, {}, x, theirs, theirs, ours))


@pytest.mark.parametrize(
    ("change", "cause", "text"),
    [
        (lambda y: y[:, ::-1], "A26", ""),
        (lambda y: y + 0.1 * y**2, "N1 alone", "what comes after the last layer that was compared"),
        (lambda y: y + 0.1, "A27 alone", "the port has Keras's values plus 0.1"),
        (lambda y: -0.3 * y, "A27", "the port returns -0.3 times Keras's values"),
    ],
    ids=["order", "unknown", "number", "multiple"],
)
def test_another_output_behind_layers_that_agree_is_named(change, cause, text, tmp_path):
    """Every layer of the port agrees."""

    def port(parts):
        keys = [f"forward/{mode}/output" for mode in ("eval", "train")]
        parts.arrays |= {key: change(parts.arrays[key]) for key in keys}

    found = names(evidence_of(tmp_path, port=port))
    name, *alone = cause.split()
    assert (next(iter(found)), found[name].startswith(text)) == (name, True)
    assert len(found) == 1 or not alone


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
