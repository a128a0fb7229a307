"""Several outputs: a Trainer trains them as Keras's `fit` does, column by column."""

import keras
import numpy as np
import pytest
import torch
from torch import nn
from whole_fits import BAR

from torch_impl import Port, losses
from torch_impl.optim import SGD
from torch_impl.trainer import Trainer

draw = np.random.default_rng(0)
N, NAMES = 37, ("a", "b", "c")
X = draw.normal(size=(N, 5))
Y = (draw.integers(0, 4, N), draw.normal(size=(N, 2)), draw.integers(0, 2, (N, 1)) * 1.0)
WEIGHTS = draw.uniform(0.25, 2, N)
KERAS_LOSSES = ("sparse_categorical_crossentropy", "mse", "binary_crossentropy")


class Net(nn.Module):
    """The layers of a Keras model, whose outputs it returns by name or in order."""

    def __init__(self, model, is_mapping):
        super().__init__()
        self.is_mapping = is_mapping
        for name, sizes in {"h": (5, 7), "a": (7, 4), "b": (7, 2), "c": (7, 1)}.items():
            kernel, bias = model.get_layer(name).get_weights()
            layer = nn.Linear(*sizes)
            layer.weight.data, layer.bias.data = torch.tensor(kernel.T.copy()), torch.tensor(bias)
            self.add_module(name, layer)

    def forward(self, x):
        h = torch.tanh(self.h(x))
        parts = (losses.softmax(self.a(h)), self.b(h), losses.sigmoid(self.c(h)))
        return dict(zip(NAMES, parts, strict=True)) if self.is_mapping else parts


def named(parts):
    return dict(zip(NAMES, parts, strict=True))


def keras_net(is_mapping, **compiled):
    """A model in float64, as its losses and their columns then are."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    torch.set_default_dtype(torch.float64)
    keras.utils.set_random_seed(3)
    inputs = keras.Input((5,))
    h = keras.layers.Dense(7, activation="tanh", name="h")(inputs)
    parts = [
        keras.layers.Dense(size, activation=activation, name=name)(h)
        for name, size, activation in (("a", 4, "softmax"), ("b", 2, None), ("c", 1, "sigmoid"))
    ]
    model = keras.Model(inputs, named(parts) if is_mapping else parts)
    model.compile(keras.optimizers.SGD(0.1), **compiled)
    return model


def port_losses():
    return [
        losses.SparseCategoricalCrossentropy(),
        losses.MeanSquaredError(),
        losses.BinaryCrossentropy(),
    ]


# Whether by name or in order; what both are given, Keras and the port; the weights of samples.
CASES = {
    "in_order_with_one_weight_a_sample": (
        False,
        {
            "loss_weights": [1.0, 0.3, 2.0],
            "metrics": [["accuracy"], ["mae"], ["accuracy", "auc"]],
        },
        {"loss": list(KERAS_LOSSES)},
        lambda: {"loss": port_losses(), "output_names": NAMES},
        WEIGHTS,
    ),
    "by_name_with_weights_for_each_output": (
        True,
        {
            "loss_weights": {"a": 0.5, "b": 1.5, "c": 1.0},
            "weighted_metrics": {"a": ["accuracy"], "b": ["mse"]},
        },
        {"loss": named(KERAS_LOSSES), "metrics": {"a": ["accuracy"], "c": ["accuracy"]}},
        lambda: {"loss": named(port_losses()), "metrics": {"a": ["accuracy"], "c": "accuracy"}},
        named([WEIGHTS, WEIGHTS**2, np.ones(N)]),
    ),
}


@pytest.mark.parametrize(
    ("is_mapping", "both", "theirs", "own", "weight"), CASES.values(), ids=CASES
)
def test_it_repeats_keras_with_a_loss_a_weight_and_metrics_for_each_output(
    is_mapping, both, theirs, own, weight
):
    model = keras_net(is_mapping, **both, **theirs)
    net = Net(model, is_mapping)
    y, y_val = (named(part) if is_mapping else part for part in (Y, tuple(a[:11] for a in Y)))
    given = {"sample_weight": weight, "validation_data": (X[:11], y_val), "epochs": 3}
    given |= {"batch_size": 10, "shuffle": False}
    history = model.fit(X, y, **given, verbose=0).history
    port = Port(net, optimizer=SGD(net.parameters(), learning_rate=0.1), **both, **own())
    ours = Trainer(port).fit(X, y, **given).history
    assert list(ours) == list(history)
    for name, column in history.items():
        np.testing.assert_allclose(ours[name], column, rtol=0, atol=BAR, err_msg=name)
    for name in ("h", *NAMES):
        kernel = getattr(net, name).weight.detach().numpy().T
        np.testing.assert_allclose(kernel, model.get_layer(name).get_weights()[0], atol=BAR)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["accuracy"]}, r"1 metrics for the outputs a, b, c: expected a mapping"),
        ({"loss": port_losses()}, r"losses in a list: expected output_names"),
        ({"loss": port_losses()[0], "loss_weights": {"a": 1}}, "loss_weights with one loss"),
        ({"loss_weights": {"a": 1.0, "z": 1.0}}, "loss_weights of a, z: expected those of"),
    ],
)
def test_what_does_not_fit_the_outputs_is_an_error_that_says_so(changes, message):
    net = Net(keras_net(is_mapping=True), is_mapping=True)
    port = Port(
        net, **{"loss": named(port_losses()), "optimizer": SGD(net.parameters()), **changes}
    )
    with pytest.raises(ValueError, match=message):
        Trainer(port).fit(X, named(Y))
