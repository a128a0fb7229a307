"""A twin is trained with the regularisers and constraints of its config, as Keras trains."""

import copy
import re
import warnings

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from rows import each_row
from test_twin_layers import fill_weights, twin_of, values

from torch_impl import Port
from torch_impl.keras_config import from_keras_config
from torch_impl.losses import MeanSquaredError
from torch_impl.penalty import RegularizedLoss
from torch_impl.trainer import Trainer

pytestmark = pytest.mark.usefixtures("direct", "float64")


def own_regulariser():
    config = of_one(L.Dense(2, kernel_regularizer="l2", name="head"))
    config["layers"][1]["config"]["kernel_regularizer"]["class_name"] = "Mine"
    return config


def of_one(layer):
    return keras.Sequential([L.Input((4, 3)), layer]).get_config()


BAR = 1e-11  # weights after four steps of SGD, or six of Adam, relative to the greatest
R, C = keras.regularizers, keras.constraints


def dense():
    inputs = L.Input((5,))
    x = L.Dense(
        *(4, "tanh"),
        kernel_regularizer=R.L1L2(0.02, 0.03),
        bias_regularizer="l2",
        activity_regularizer=R.L1(0.05),
        kernel_constraint=C.MaxNorm(0.9, axis=0),
        name="first",
    )(inputs)
    return keras.Model(inputs, L.Dense(2, bias_constraint="non_neg", name="last")(x))


def convolutions():
    inputs = L.Input((6, 5, 2))
    norm = C.UnitNorm([0, 1, 2])
    x = L.Conv2D(3, (2, 3), kernel_regularizer="l2", kernel_constraint=norm)(inputs)
    x = L.SeparableConv2D(
        *(4, 2),
        depthwise_regularizer="l1",
        pointwise_regularizer=R.L2(0.03),
        depthwise_constraint=C.MinMaxNorm(0.5, 0.8, 0.7, axis=[0, 1]),
    )(x)
    x = L.DepthwiseConv2D(2, depthwise_regularizer="l2", activity_regularizer="l2")(x)
    x = L.BatchNormalization(gamma_regularizer="l1", beta_constraint="non_neg")(x)
    return keras.Model(inputs, L.PReLU(alpha_regularizer="l1", shared_axes=[1, 2])(x))


def recurrent():
    rules = {
        "kernel_regularizer": "l2",
        "recurrent_regularizer": R.L1(0.02),
        "bias_regularizer": R.L2(0.05),
        "recurrent_constraint": C.MaxNorm(1.0, axis=1),
        "bias_constraint": "non_neg",
    }
    inputs = L.Input((4, 3))
    x = L.LSTM(3, return_sequences=True, activity_regularizer="l2", **rules)(inputs)
    x = L.Bidirectional(L.GRU(2, return_sequences=True, **rules))(x)
    return keras.Model(inputs, L.SimpleRNN(2, **rules)(x))


def shared():
    """A layer that is called twice, inside of a model that is called twice; frozen weights."""
    inner_input = L.Input((3,))
    layer = L.Dense(3, "tanh", activity_regularizer="l2", kernel_regularizer="l1", name="layer")
    inner = keras.Model(inner_input, layer(layer(inner_input)), name="inner")
    inputs = L.Input((3,))
    x = L.ActivityRegularization(0.1, 0.2)(inner(inner(inputs)))
    frozen = L.Dense(2, kernel_regularizer=R.L2(0.7), kernel_constraint="unit_norm")
    frozen.trainable = False
    x = L.TimeDistributed(L.Dense(2, kernel_regularizer="l2"))(L.Reshape((1, 3))(x))
    return keras.Model(inputs, frozen(L.Flatten()(x)))


def embedded():
    inputs = L.Input((4,), dtype="int64")
    x = L.Embedding(9, 3, embeddings_regularizer="l2", embeddings_constraint="unit_norm")(inputs)
    return keras.Model(inputs, L.Flatten()(x))


MODELS = {
    "dense": (dense, (5,)),
    "convolutions": (convolutions, (6, 5, 2)),
    "recurrent": (recurrent, (4, 3)),
    "shared": (shared, (3,)),
    "embedded": (embedded, (4,)),
}


def samples(model, shape):
    x = values((12, *shape), 1)
    if model.inputs[0].dtype == "int64":
        x = np.random.default_rng(1).integers(0, 9, (12, *shape))
    return x, values((12, *model.output.shape[1:]), 2)


def pair(make):
    model = make()
    fill_weights(model)
    return model, twin_of(model)


@pytest.mark.parametrize(("make", "shape"), MODELS.values(), ids=MODELS)
def test_a_twin_is_trained_with_keras_penalties_and_constraints(make, shape):
    model, twin = pair(make)
    x, y = samples(model, shape)
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    optimizer = torch.optim.SGD([p for p in twin.parameters() if p.requires_grad], lr=0.05)
    twin.constrain(optimizer)
    criterion = RegularizedLoss(MeanSquaredError(), twin.penalty)
    for start in range(0, 12, 3):
        batch = slice(start, start + 3)
        expected = model.train_on_batch(x[batch], y[batch])
        optimizer.zero_grad()
        loss = criterion(twin(torch.tensor(x[batch])), torch.tensor(y[batch]))
        loss.backward()
        optimizer.step()
        assert loss.item() == pytest.approx(float(expected), rel=1e-7)  # a metric of float32
    for ours, theirs in zip(twin.keras_weights().values(), model.get_weights(), strict=True):
        assert np.abs(ours - theirs).max() <= BAR * max(np.abs(theirs).max(), 1e-2)


NO_PENALTY = r"layers \['first'\] have regularisers, and the loss has no penalty"
NO_CONSTRAINTS = r"layers \['first', 'last'\] have constraints, and nothing"


@each_row(
    "penalty, constraints, told",
    [
        (False, True, [NO_PENALTY]),
        (True, False, [NO_CONSTRAINTS]),
        (False, False, [NO_PENALTY, NO_CONSTRAINTS]),
        (True, True, []),
    ],
)
def test_a_trainer_warns_of_rules_that_nothing_applies(penalty, constraints, told):
    _, twin = pair(dense)
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    loss = RegularizedLoss(MeanSquaredError(), twin.penalty) if penalty else MeanSquaredError()
    if constraints:
        twin.constrain(optimizer)
    with warnings.catch_warnings(record=True, action="always") as caught:
        Trainer(Port(twin, loss, optimizer))
    for warning, message in zip(caught, told, strict=True):
        assert re.search(message, str(warning.message))


def test_a_twin_can_be_copied_after_a_call():
    _, twin = pair(dense)
    twin(torch.tensor(values((3, 5), 1)))
    again = copy.deepcopy(twin)
    assert (len(twin.output_terms), again.output_terms) == (1, [])
    assert len(list(again.penalty.terms())) == 2


@each_row(
    "make, message",
    [
        *(
            (lambda layer=layer: of_one(layer), "'head'.*: activity_regularizer of a layer")
            for layer in (
                L.Bidirectional(L.GRU(2, activity_regularizer="l2"), name="head"),
                L.TimeDistributed(L.Dense(2, activity_regularizer="l1"), name="head"),
            )
        ),
        (own_regulariser, r"layer 'head' .*: regularizer 'Mine': expected one of"),
    ],
    ids=["inner_activity", "inner_output", "own"],
)
def test_a_rule_that_is_not_offered_is_refused_by_its_name(make, message):
    with pytest.raises(ValueError, match=message):
        from_keras_config(make())
