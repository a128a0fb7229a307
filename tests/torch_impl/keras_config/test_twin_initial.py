"""Initial weights of a twin are drawn by the initialisers that Keras's config names."""

import copy
import itertools
from functools import partial

import keras
import numpy as np
import pytest
import torch
from helpers import assert_same_bits
from keras import layers as L
from rows import each_row
from test_twin_layers import CASES

from torch_impl.keras_config import from_keras_config

pytestmark = pytest.mark.usefixtures("float64")


def with_seeds(config, numbers):
    """The config, with a seed of its own in every initialiser that draws."""
    if isinstance(config, list):
        return [with_seeds(part, numbers) for part in config]
    if not isinstance(config, dict):
        return config
    found = {name: with_seeds(part, numbers) for name, part in config.items()}
    if "initializers" in (config.get("module") or "") and "seed" in found.get("config", {}):
        found["config"] = {**found["config"], "seed": next(numbers)}
    return found


def model_of(layer, shape):
    inputs = L.Input(shape, dtype="int64" if isinstance(layer, L.Embedding) else "float64")
    return keras.Model(inputs, layer(inputs))


def assert_same_initial_weights(model):
    config = with_seeds(model.get_config(), itertools.count(11))
    theirs = keras.Model.from_config(copy.deepcopy(config)).weights
    theirs = [weight for weight in theirs if not weight.path.endswith("seed_generator_state")]
    ours = list(from_keras_config(config).double().keras_weights().values())
    # Both orthogonalise by LAPACK, each by its own.
    near = partial(np.testing.assert_allclose, rtol=0, atol=1e-14)
    same = near if "Orthogonal" in str(config) else assert_same_bits
    for mine, weight in zip(ours, theirs, strict=True):
        # The config of a spectral normalisation has no seed for its vector.
        if not weight.path.endswith("vector_u"):
            same(mine, weight.numpy())
    return len(ours)


@pytest.mark.filterwarnings("ignore:You passed `rms_scaling=True`")
@each_row("shape, make", CASES.values(), ids=CASES)
def test_with_a_seed_in_each_initialiser_a_twin_begins_with_keras_weights(shape, make):
    assert_same_initial_weights(model_of(make(), shape))


LAYERS = {
    "dense": lambda: L.Dense(3, kernel_initializer="he_normal", bias_initializer="ones"),
    "convolution": lambda: L.Conv1D(3, 2, kernel_initializer=keras.initializers.Orthogonal(2.0)),
    "separable": lambda: L.SeparableConv1D(
        4, 3, depthwise_initializer="lecun_normal", pointwise_initializer="random_uniform"
    ),
    "lstm": lambda: L.LSTM(3, bias_initializer="random_normal"),
    "lstm_plain_bias": lambda: L.LSTM(3, unit_forget_bias=False, bias_initializer="ones"),
    "cells": lambda: L.RNN(
        [L.LSTMCell(3, kernel_initializer="he_normal"), L.GRUCell(2, bias_initializer="ones")]
    ),
    "both_ways": lambda: L.Bidirectional(
        L.GRU(3, kernel_initializer="he_uniform", name="there"),
        backward_layer=L.GRU(3, go_backwards=True, kernel_initializer="zeros", name="back"),
    ),
    "normalization": lambda: L.BatchNormalization(
        gamma_initializer="random_uniform", moving_mean_initializer="ones"
    ),
    "each_step": lambda: L.TimeDistributed(L.Dense(2, kernel_initializer="lecun_uniform")),
    "inner model": lambda: L.TimeDistributed(
        keras.Sequential([L.Input((4,)), L.Dense(3, kernel_initializer="he_uniform")])
    ),
}


@each_row("make", LAYERS.values(), ids=LAYERS)
def test_initialisers_that_are_not_the_default_are_used(make):
    assert assert_same_initial_weights(model_of(make(), (6, 4)))


def test_initialisers_of_a_layer_of_each_step_are_used():
    layer = L.ConvLSTM1D(3, 2, recurrent_initializer="he_uniform", bias_initializer="ones")
    assert assert_same_initial_weights(model_of(L.TimeDistributed(layer), (2, 3, 6, 4))) == 3


def kernel_of(seed, **settings):
    config = model_of(L.Dense(50, **settings), (40,)).get_config()
    torch.manual_seed(seed)
    return from_keras_config(config).keras_weights()["dense/kernel"]


def test_without_a_seed_the_numbers_are_torchs_and_the_range_is_kerass():
    keras.utils.clear_session()
    first = kernel_of(1, name="dense")
    assert_same_bits(first, kernel_of(1, name="dense"))
    assert not np.array_equal(first, kernel_of(2, name="dense"))
    limit = np.sqrt(6 / (40 + 50))  # of glorot_uniform
    assert 0.99 * limit < np.abs(first).max() <= limit
