"""Another known loss is named by its value; torch computes the port's numbers."""

import numpy as np
import one_layer
import pytest
import torch
from torch import nn
from torch.nn import functional as F

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(8, 4)) * 2
Y = DRAW.normal(size=(8, 4))
LABELS = DRAW.integers(0, 4, 8)
ROWS = np.eye(4)[LABELS]
T, TY, TL = torch.tensor(X), torch.tensor(Y), torch.tensor(LABELS)


def told(name, ours, y=Y, gradients=None, theirs=123.0):
    keras, port = one_layer.facts([], [], {"output_activation": None})
    keras["loss"] = {"name": name, "config": {}, "class_weight": None}
    port["output_form"] = "same"
    arrays = {
        "loss/confident/linear": X,
        "loss/confident/target": y,
        "loss/confident/value": np.array(theirs),
        "target/probe": y,
    }
    own = {"loss/confident/value": np.array(float(ours))}
    if gradients is not None:
        arrays["loss/confident/gradient"], own["loss/confident/gradient"] = gradients
    found = one_layer.evidence(
        (keras, arrays), (port, own), "loss of confident outputs", theirs, float(ours), "loss"
    )
    return one_layer.names(found)


@pytest.mark.parametrize(
    ("ours", "y", "text"),
    [
        (nn.MultiMarginLoss()(T, TL), ROWS, "nn.MultiMarginLoss, a mean of all margins"),
        (nn.MultiMarginLoss(p=2)(T, TL), ROWS, "nn.MultiMarginLoss(p=2)"),
        (F.mse_loss(T, TY) / 2, Y, "half of mean_squared_error"),
        (F.mse_loss(T, TY).sqrt(), Y, "the root of mean_squared_error"),
        (((T - TY) ** 2).sum(1).mean(), Y, "mean_squared_error (summed over the outputs)"),
        (nn.PoissonNLLLoss()(T, TY), Y, "nn.PoissonNLLLoss"),
        (nn.SoftMarginLoss()(T, 2 * torch.tensor(ROWS) - 1), 2 * ROWS - 1, "nn.SoftMarginLoss"),
        (1 - F.cosine_similarity(T, TY).mean(), Y, "1 - cosine_similarity"),
        (
            F.kl_div(T.log_softmax(-1), TY.softmax(-1), reduction="none").mean(),
            TY.softmax(-1).numpy(),
            "nn.KLDivLoss, a mean over the outputs",
        ),
        (F.cross_entropy(T, TL), ROWS, "categorical_crossentropy"),
    ],
)
def test_another_loss_is_named_by_its_value(ours, y, text):
    assert told("own", ours, y)["D13"] == f"own in Keras, {text} in the port"


def test_a_loss_of_no_known_formula_has_its_place():
    assert told("own", 7.25)["D13"] == "own in Keras"


GRADIENT = DRAW.normal(size=(8, 4))


def limited(*rows):
    gradient = GRADIENT.copy()
    gradient[list(rows)] = 0
    return gradient


def test_targets_that_only_keras_trains_are_named():
    found = told("own", 7.25, gradients=(GRADIENT, limited(1, 5)))
    assert found["D20"] == (
        "for 2 of 8 targets (1, 5) the port's gradient is zero, Keras's is not; the others agree"
    )
    found = told("own", 7.25, gradients=(limited(3), GRADIENT))
    assert found["D20"].startswith("for 1 of 8 targets (3) Keras's gradient is zero")


def test_other_gradients_are_no_limit():
    other = GRADIENT.copy()
    other[2] *= 1.5
    assert "D20" not in told("own", 7.25, gradients=(GRADIENT, other))
    assert "D20" not in told("own", 7.25, gradients=(GRADIENT, 0 * GRADIENT))
    assert "D20" not in told("own", 7.25, gradients=(GRADIENT, GRADIENT))


@pytest.mark.parametrize(
    ("ours", "text"),
    [
        (2 * GRADIENT, "its gradient is 2 times Keras's"),
        (GRADIENT, "the gradients agree"),
        (GRADIENT * np.linspace(1, 2, 4), "its gradient has Keras's signs"),
        (GRADIENT + np.arange(8)[:, None] // 6, "its gradient differs for 2 of 8 targets"),
    ],
)
def test_the_gradient_of_an_unknown_loss_is_told(ours, text):
    assert told("own", 7.25, gradients=(GRADIENT, ours))["D13"] == f"own in Keras; {text}"
