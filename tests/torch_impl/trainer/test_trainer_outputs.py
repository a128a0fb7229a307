"""Several outputs: a Trainer trains them as Keras's `fit` does, column by column."""

import keras
import numpy as np
import pytest
import torch
from small_nets import Net
from whole_fits import BAR, dense_layers

from torch_impl import Port, losses
from torch_impl.optim import SGD
from torch_impl.trainer import Trainer

draw = np.random.default_rng(0)
N, NAMES = 37, ("a", "b", "c")
X = draw.normal(size=(N, 5))
Y = (draw.integers(0, 4, N), draw.normal(size=(N, 2)), draw.integers(0, 2, (N, 1)) * 1.0)
WEIGHTS = draw.uniform(0.25, 2, N)
KERAS_LOSSES = ("sparse_categorical_crossentropy", "mse", "binary_crossentropy")


def net_of(model, is_mapping):
    """The layers of a Keras model, whose outputs it returns by name or in order."""

    def run(net, x):
        h = torch.tanh(net.h(x))
        parts = (losses.softmax(net.a(h)), net.b(h), losses.sigmoid(net.c(h)))
        return named(parts) if is_mapping else parts

    return Net(run, **dense_layers(model))


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
    net = net_of(model, is_mapping)
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
    net = net_of(keras_net(is_mapping=True), is_mapping=True)
    port = Port(
        net, **{"loss": named(port_losses()), "optimizer": SGD(net.parameters()), **changes}
    )
    with pytest.raises(ValueError, match=message):
        Trainer(port).fit(X, named(Y))
