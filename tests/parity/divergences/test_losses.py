"""The form of a loss is named by its numbers: threshold, targets in another order, no logarithm."""

from dataclasses import replace

import numpy as np
import one_layer
import pytest
import torch
from torch import nn

DRAW = np.random.default_rng(0)
LINEAR = DRAW.normal(size=(8, 3)) * 4
Y = DRAW.normal(size=(8, 3))


def told(name, port_loss, keras_loss, linear=LINEAR, y=Y, activation=None, form="same"):
    """What is recognised of the loss of given outputs."""
    keras, port = one_layer.facts([], [], {"output_activation": activation})
    keras["loss"] = {"name": name, "config": {}, "class_weight": None}
    port["output_form"] = form
    arrays = {
        "loss/confident/linear": linear,
        "loss/confident/target": y,
        "loss/confident/value": np.array(keras_loss),
        "target/probe": y,
    }
    own = {"loss/confident/value": np.array(port_loss)}
    found = one_layer.evidence(
        (keras, arrays), (port, own), "loss of confident outputs", keras_loss, port_loss, "loss"
    )
    return one_layer.names(found)


def of(module, linear=LINEAR, y=Y):
    return float(module(torch.from_numpy(linear), torch.from_numpy(y)))


@pytest.mark.parametrize("delta", [0.6, 2.0])
def test_a_smooth_l1_in_the_place_of_huber_is_named(delta):
    huber, smooth = of(nn.HuberLoss(delta=delta)), of(nn.SmoothL1Loss(beta=delta))
    found = told("huber_loss", smooth, huber)
    assert found["D14"] == (
        f"Huber(delta={delta:g}) in Keras, SmoothL1Loss(beta={delta:g}) in the port"
    )


def test_another_delta_is_named():
    found = told("huber_loss", of(nn.HuberLoss(delta=1.5)), of(nn.HuberLoss(delta=1.0)))
    assert found["D14"] == "Huber(delta=1) in Keras, delta=1.5 in the port"


def test_a_loss_of_no_known_form_has_no_threshold():
    assert "D14" not in told("huber_loss", 1.2345, of(nn.HuberLoss()))


def test_an_activation_that_the_port_leaves_out_is_named():
    p = 1 / (1 + np.exp(-LINEAR))
    found = told(
        "mean_squared_error",
        float(((LINEAR - Y) ** 2).mean()),
        float(((p - Y) ** 2).mean()),
        activation="sigmoid",
        form="linear",
    )
    assert found["A16"] == "the port has no sigmoid at its output"


IMAGES, TARGETS = DRAW.normal(size=(8, 3, 4, 2)), DRAW.normal(size=(8, 3, 4, 2))


def test_targets_that_are_reshaped_and_not_permuted_are_named():
    wrong = np.moveaxis(TARGETS.reshape(8, 2, 3, 4), 1, -1)
    found = told(
        "mean_squared_error",
        float(((IMAGES - wrong) ** 2).mean()),
        float(((IMAGES - TARGETS) ** 2).mean()),
        IMAGES,
        TARGETS,
    )
    assert found["D16"] == "the targets are reshaped to channels first, not permuted"


def test_other_targets_are_not_targets_in_another_order():
    found = told("mean_squared_error", 3.21, 1.23, IMAGES, TARGETS)
    assert "D16" not in found


def test_a_loss_of_probabilities_without_logarithm_is_named():
    labels = DRAW.integers(0, 3, size=8)
    logits = torch.from_numpy(LINEAR)
    right = float(nn.CrossEntropyLoss()(logits, torch.from_numpy(labels)))
    wrong = float(nn.NLLLoss()(logits.softmax(1), torch.from_numpy(labels)))
    found = told(
        "sparse_categorical_crossentropy", wrong, right, LINEAR, labels, activation="softmax"
    )
    assert found["D17"] == "the port takes -p, Keras -log(p)"


CLASSES = np.random.default_rng(1).integers(0, 3, size=8)


def cross_entropy(probabilities, limit=0.0):
    picked = np.take_along_axis(probabilities, CLASSES[:, None], axis=1)
    return float(-np.log(np.maximum(picked, limit)).mean())


def test_logarithms_without_the_limit_that_keras_has_are_named():
    logits = 10 * LINEAR
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    name, values = "sparse_categorical_crossentropy", (cross_entropy(p), cross_entropy(p, 1e-7))
    assert values[0] > values[1]
    assert "without a limit" in told(name, *values, p, CLASSES)["D2"]
    # The same loss, and one that is twice as large, are no matter of limits.
    assert "D2" not in told(name, values[1], values[1], p, CLASSES)
    assert "D2" not in told(name, 2 * values[1], values[1], p, CLASSES)


def test_a_loss_that_divides_by_other_targets_is_named():
    labels = np.array([[1, 2, 0, 0], [2, 1, 3, 0], [1, 0, 0, 0]])
    logits = np.random.default_rng(2).normal(size=(3, 4, 5))
    right, share = 1.7, 6 / 12
    all_targets = told("own", right * share, right, logits, labels)
    assert all_targets["D12"] == "the port divides by all targets, Keras by those that are not 0"
    some = told("own", right / share, right, logits, labels)
    assert some["D12"] == "the port divides by those that are not 0, Keras by all targets"
    assert "D12" not in told("own", right * 0.51, right, logits, labels)


def raised(text):
    """What is recognised of a loss that raises this."""
    keras, port = one_layer.facts([], [], {})
    arrays = {"target/probe": Y}
    found = one_layer.evidence((keras, arrays), (port, {}), "loss raises", 1.0, 2.0, "loss")
    found.item = replace(found.item, torch=text)
    return one_layer.names(found)


def test_a_loss_that_is_a_value_for_each_sample_is_named_and_not_called_one_of_other_targets():
    text = "ValueError: the loss returned several numbers, a tensor of shape (8,), from own; ..."
    assert raised(text) == {"D21": text.removeprefix("ValueError: ")}


def test_another_error_of_a_loss_is_one_of_its_targets():
    text = "RuntimeError: 0D or 1D target tensor expected"
    assert raised(text) == {"D15": f"for targets float64 (8, 3): {text}"}
