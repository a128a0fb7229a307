"""A port that ends with a softmax and has no loss gets the gradient of Keras's, also far out."""

import keras
import numpy as np
import torch
from both_halves import levels, recorded
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.port.outputs import carried_logits
from parity.ladder.items import FAIL, PASS
from torch_impl import Port

FACTS = {"output_activation": "softmax"}
SHARP = 40.0  # so that probabilities are below 1e-7, at which Keras's loss clips


@each_row(
    "end",
    [
        lambda x: x.softmax(-1),
        lambda x: torch.softmax(x, dim=-1),
        lambda x: nn.functional.softmax(x, dim=-1),
        nn.Softmax(-1),
        torch.sigmoid,
        lambda x: x.sigmoid(),
        nn.Sigmoid(),
    ],
)
def test_every_form_carries_its_logits(end):
    x = torch.randn(2, 3)
    with carried_logits(None, FACTS):
        made = end(x)
    assert made._keras_logits is x
    assert not hasattr(made * 1, "_keras_logits")
    assert not hasattr(end(x), "_keras_logits")


def test_a_port_with_a_loss_and_an_output_without_activation_are_left_as_they_are():
    for context in (
        carried_logits(nn.MSELoss(), FACTS),
        carried_logits(None, {"output_activation": None}),
        carried_logits(None, {}),
    ):
        with context:
            assert not hasattr(torch.ones(2).softmax(-1), "_keras_logits")


def keras_model(activation, loss):
    x = keras.Input((6, 5, 3) if activation == "softmax" else (3,))
    dense = keras.layers.Dense(4, name="dense")
    y = keras.layers.Activation(activation)(keras.layers.Rescaling(SHARP)(dense(x)))
    model = keras.Model(x, y)
    model.compile("sgd", loss)
    return model


def net_of(activation):
    """A softmax over the channels, which are first here and last in Keras; or a sigmoid."""
    is_image = activation == "softmax"
    dense = nn.Conv2d(3, 4, 1) if is_image else nn.Linear(3, 4)
    last = nn.Softmax(1) if is_image else nn.Sigmoid()
    return Net(lambda net, x: net.last(SHARP * net.dense(x)), dense=dense, last=last)


@each_row(
    "activation, loss",
    [("softmax", "sparse_categorical_crossentropy"), ("sigmoid", "binary_crossentropy")],
)
def test_the_gradient_is_keras_unless_the_port_has_a_loss_that_clips(activation, loss, tmp_path):
    trace = recorded(lambda: keras_model(activation, loss), tmp_path / "keras", steps=1)
    assert np.min(trace["forward/eval/output"]) < 1e-7
    assert levels(trace, lambda: net_of(activation), tmp_path / "right")["gradient"].status == PASS

    def clipped():
        def of(p, y):
            p = p.clamp(1e-7, 1 - 1e-7)
            if activation == "sigmoid":
                return nn.functional.binary_cross_entropy(p, y)
            return nn.functional.nll_loss(p.log(), y.long())

        return Port(net_of(activation), loss=of)

    assert levels(trace, clipped, tmp_path / "clipped")["gradient"].status == FAIL
