"""A training of sequences with a mask is Keras's: loss, metrics and weights, step by step."""

import keras
import numpy as np
import pytest
from whole_fits import BAR, weights_of, worst

from torch_impl import Port, from_keras_config, losses, optim
from torch_impl.trainer import Trainer

L = keras.layers
WORDS, STEPS, TAGS = 9, 7, 3


pytestmark = pytest.mark.usefixtures("float64")


def sentences(number=23, seed=2):
    """Tokens (N, STEPS) with 0 at their end, and a tag for each step, 0 at the padding."""
    draw = np.random.default_rng(seed)
    x = draw.integers(1, WORDS, size=(number, STEPS))
    x[np.arange(STEPS) >= draw.integers(1, STEPS + 1, size=(number, 1))] = 0
    return x, np.where(x == 0, 0, (x + draw.integers(0, 2, size=x.shape)) % TAGS)


def tagger():
    layers = [
        L.Input((STEPS,), dtype="int32"),
        L.Embedding(WORDS, 4, mask_zero=True),
        L.GRU(3, return_sequences=True),
        L.BatchNormalization(),
        L.Dense(TAGS, activation="softmax"),
    ]
    model = keras.Sequential(layers)
    model.compile(
        optimizer=keras.optimizers.SGD(0.5),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_crossentropy", "accuracy"],
        jit_compile=False,
    )
    return model


def port_of(model):
    net = from_keras_config(model.get_config()).double()
    net.load_keras_weights({v.path: v.numpy() for v in model.weights})
    return Port(
        net,
        loss=losses.SparseCategoricalCrossentropy(),
        optimizer=optim.SGD(net.parameters(), learning_rate=0.5),
        metrics=["accuracy"],
        weighted_metrics=["sparse_categorical_crossentropy", "accuracy"],
    )


@pytest.mark.long
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weights_of_steps"])
def test_a_masked_training_is_keras_one(weighted):
    x, y = sentences()
    given = {"sample_weight": np.random.default_rng(4).uniform(0.2, 2, x.shape)} if weighted else {}
    settings = {"batch_size": 6, "epochs": 2, "shuffle": False, "validation_data": sentences(9, 3)}
    model = tagger()
    port = port_of(model)
    theirs = model.fit(x, y, verbose=0, **settings, **given).history
    ours = Trainer(port).fit(x, y, **settings, **given).history
    assert worst(weights_of(port), weights_of(port_of(model))) < BAR
    assert ours.keys() == theirs.keys()
    for key, values in theirs.items():
        np.testing.assert_allclose(ours[key], values, rtol=1e-12, err_msg=key)
