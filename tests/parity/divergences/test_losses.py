"""The form of a loss is named by its numbers: threshold, targets in another order, no logarithm."""

from dataclasses import replace

import numpy as np
import one_layer
import pytest
import torch
from scipy import special
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


def square(output, y):
    return float(((output - y) ** 2).mean())


def cross_entropy(probabilities, limit=0.0):
    picked = np.take_along_axis(probabilities, CLASSES[:, None], axis=1)
    return float(-np.log(np.maximum(picked, limit)).mean())


HUBER = [of(nn.HuberLoss(delta=each)) for each in (0.6, 2.0)]
SMOOTH = [of(nn.SmoothL1Loss(beta=each)) for each in (0.6, 2.0)]
IMAGES, TARGETS = DRAW.normal(size=(2, 8, 3, 4, 2))
SHAPED = np.moveaxis(TARGETS.reshape(8, 2, 3, 4), 1, -1)
CLASSES = np.random.default_rng(1).integers(0, 3, size=8)
P = special.softmax(LINEAR, 1)
SURE = special.softmax(10 * LINEAR, 1)
LIMITED = cross_entropy(SURE, 1e-7)
WORDS = np.array([[1, 2, 0, 0], [2, 1, 3, 0], [1, 0, 0, 0]])  # half of them count
OF_WORDS = (np.random.default_rng(2).normal(size=(3, 4, 5)), WORDS)
HUBERS = [
    f"Huber(delta={each:g}) in Keras, SmoothL1Loss(beta={each:g}) in the port"
    for each in (0.6, 2.0)
]
SPARSE = "sparse_categorical_crossentropy"
# What `told` is given, the cause, and its words.
NAMED = {
    "smooth": (("huber_loss", SMOOTH[0], HUBER[0]), "D14", HUBERS[0]),
    "smooth of 2": (("huber_loss", SMOOTH[1], HUBER[1]), "D14", HUBERS[1]),
    "delta": (("huber_loss", of(nn.HuberLoss(delta=1.5)), of(nn.HuberLoss(delta=1.0))), "D14",
              "Huber(delta=1) in Keras, delta=1.5 in the port"),
    "activation": (("mean_squared_error", square(LINEAR, Y), square(special.expit(LINEAR), Y),
                    LINEAR, Y, "sigmoid", "linear"), "A16",
                   "the port has no sigmoid at its output"),
    "reshaped": (("mean_squared_error", square(IMAGES, SHAPED), square(IMAGES, TARGETS), IMAGES,
                  TARGETS), "D16", "the targets are reshaped to channels first, not permuted"),
    "no logarithm": ((SPARSE, -P[np.arange(8), CLASSES].mean(), cross_entropy(P), LINEAR, CLASSES,
                      "softmax"), "D17", "the port takes -p, Keras -log(p)"),
    "no limit": ((SPARSE, cross_entropy(SURE), LIMITED, SURE, CLASSES), "D2", "without a limit"),
    "all targets": (("own", 0.85, 1.7, *OF_WORDS), "D12",
                    "the port divides by all targets, Keras by those that are not 0"),
    "some targets": (("own", 3.4, 1.7, *OF_WORDS), "D12",
                     "the port divides by those that are not 0, Keras by all targets"),
}  # fmt: skip
NOT_NAMED = {
    "huber": (("huber_loss", 1.2345, of(nn.HuberLoss(delta=1.0))), "D14"),
    "targets": (("mean_squared_error", 3.21, 1.23, IMAGES, TARGETS), "D16"),
    "the same": ((SPARSE, LIMITED, LIMITED, SURE, CLASSES), "D2"),
    "twice": ((SPARSE, 2 * LIMITED, LIMITED, SURE, CLASSES), "D2"),
    "divided": (("own", 1.7 * 0.51, 1.7, *OF_WORDS), "D12"),
}


@pytest.mark.parametrize(("given", "cause", "text"), NAMED.values(), ids=NAMED)
def test_the_form_of_a_loss_is_named(given, cause, text):
    assert text in told(*given)[cause]


@pytest.mark.parametrize(("given", "cause"), NOT_NAMED.values(), ids=NOT_NAMED)
def test_a_loss_of_no_known_form_is_not_named(given, cause):
    assert cause not in told(*given)


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
