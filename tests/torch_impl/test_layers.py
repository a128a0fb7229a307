"""Layers and initialisers compute what Keras's layers of the same name compute."""

import random

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits, assert_same_weights
from scipy import stats
from torch import nn

import keras_impl.models
import keras_impl.weights
from parity.programs.run_spec import MODELS, RunSpec
from parity.programs.settings import DTYPES
from torch_impl.layers import Dropout, Flatten, initialise, initialise_independently
from torch_impl.models import build_model
from torch_impl.seeds import KerasSeeds
from torch_impl.weights import get_weights

# Shapes in Keras's layout: not square, several channels, sizes that are no multiple of four.
INPUTS = {"images": (3, 5, 7, 2), "features": (5, 9), "single_value": (1, 1)}


def signed(shape, dtype, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def to_torch(array):
    """(N, H, W, C) to (N, C, H, W); (N, C) stays."""
    return torch.tensor(array).movedim(-1, 1)


def to_keras(tensor):
    return tensor.detach().movedim(1, -1).numpy()


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rate", [0.25, 0.5, 0.1, 1 / 3, 0.99])
@pytest.mark.parametrize("shape", INPUTS.values(), ids=INPUTS)
def test_dropout_gives_keras_outputs_call_after_call(shape, rate, dtype):
    theirs = keras.layers.Dropout(rate, seed=123, dtype=dtype)
    ours = Dropout(rate, seed=123)
    for call in range(3):
        x = signed(shape, dtype, seed=call)
        np.testing.assert_array_equal(to_keras(ours(to_torch(x))), theirs(x, training=True).numpy())
    assert ours.num_calls == 3


@one_test
@pytest.mark.parametrize("value", [np.inf, -1])
def test_dropout_drops_any_value_to_plus_zero_as_keras_does(value):
    x = np.full((1, 200), value, np.float32)
    before = torch.get_rng_state()
    theirs = keras.layers.Dropout(0.5, seed=3)(x, training=True).numpy()
    assert_same_bits(Dropout(0.5, seed=3)(torch.tensor(x)).numpy(), theirs)
    assert torch.equal(torch.get_rng_state(), before)
    layer = Dropout(0.0, seed=1)
    assert torch.equal(layer(torch.tensor(x)), torch.tensor(x))
    assert layer.num_calls == 0


@one_test
@pytest.mark.parametrize("data", ["color_data", "digit_data"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_starts_with_the_weights_of_the_keras_model(
    model, dtype, data, color_data, digit_data
):
    data = color_data if data == "color_data" else digit_data
    spec = RunSpec(model=model, dtype=dtype, seed=2024)
    ours, seeds = build_model(spec, data.input_shape, data.num_classes)
    theirs = keras_impl.models.build_model(spec, data.input_shape, data.num_classes)
    assert_same_weights(get_weights(ours), keras_impl.weights.get_weights(theirs))
    # Both generators stand at the same place, so that what is drawn next agrees as well.
    assert seeds.python.getstate() == random.getstate()
    np.testing.assert_array_equal(seeds.numpy.get_state()[1], np.random.get_state()[1])


def test_initialise_draws_a_seed_where_keras_does():
    """A dropout of rate 0 has none in Keras."""
    keras.utils.set_random_seed(5)
    theirs = keras.Sequential(
        [
            keras.layers.Input((6, 5, 2)),
            keras.layers.Conv2D(3, (3, 2), use_bias=False),
            keras.layers.Dropout(0.0),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    conv, dense = nn.Conv2d(2, 3, (3, 2), bias=False), nn.Linear(3, 2, bias=False)
    ours = nn.Sequential(conv, Dropout(0.0), Dropout(0.5), dense)
    initialise(ours, KerasSeeds(5))
    assert ours[2].seed == int(theirs.layers[2].seed_generator.state.numpy()[0])
    kernel = conv.weight.detach().permute(2, 3, 1, 0).numpy()
    assert_same_bits(kernel, theirs.layers[0].kernel.numpy())
    assert_same_bits(dense.weight.detach().numpy().T, theirs.layers[3].kernel.numpy())


def test_the_seed_of_a_spec_decides_an_independent_model_and_the_masks_that_follow():
    def outcome(seed, before):
        torch.manual_seed(before)
        spec = RunSpec(model="dropout", mode="independent", seed=seed)
        model, _ = build_model(spec, (12, 20, 3), 5)
        return get_weights(model), model.dropout1(torch.ones(3, 4, 5, 6))

    (first, mask), (again, same), (other, third) = outcome(1, 7), outcome(1, 8), outcome(2, 7)
    assert_same_weights(again, first)
    assert torch.equal(same, mask)
    assert (other["conv1.kernel"] != first["conv1.kernel"]).any()
    assert not torch.equal(third, mask)


@one_test
@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_a_rate_outside_of_the_unit_interval_is_an_error_that_shows_it(rate):
    with pytest.raises(ValueError, match=rf"rate={rate!r}: expected a number in \[0, 1\)"):
        Dropout(rate)


@one_test
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_flatten_has_the_order_of_keras(layout):
    x = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    theirs = keras.layers.Flatten()(x).numpy()
    ours = Flatten()(to_torch(x).contiguous(memory_format=layout)).numpy()
    np.testing.assert_array_equal(ours, theirs)
    assert (ours != nn.Flatten()(to_torch(x)).numpy()).any()  # what torch's own order would give


RARE = 1e-5  # a test that rejects what is right so seldom


def is_uniform(values):
    """Whether numbers could be drawn from [-1, 1] evenly (Kolmogorov and Smirnov)."""
    return stats.kstest(values, stats.uniform(-1, 2).cdf).pvalue > RARE


@one_test
@pytest.mark.parametrize("model", MODELS)
def test_an_independent_model_has_keras_distributions_and_other_weights(model):
    spec = RunSpec(model=model, seed=5)
    seeded, _ = build_model(spec, (28, 28, 1), 10)
    independent, _ = build_model(spec.replace(mode="independent"), (28, 28, 1), 10)
    ours, theirs = get_weights(independent), get_weights(seeded)
    assert {k: (v.shape, v.dtype) for k, v in ours.items()} == {
        k: (v.shape, v.dtype) for k, v in theirs.items()
    }
    for name, weight in ours.items():
        if name.endswith("bias"):
            assert_same_bits(weight, np.zeros_like(weight))
            continue
        assert (weight != theirs[name]).any()
        *field, channels_in, channels_out = weight.shape
        limit = (6 / (np.prod(field) * (channels_in + channels_out))) ** 0.5
        assert np.abs(weight).max() <= limit * (1 + 1e-6)
        assert np.abs(theirs[name]).max() <= limit * (1 + 1e-6)
        assert is_uniform(weight.ravel() / limit)
        assert stats.ks_2samp(weight.ravel(), theirs[name].ravel()).pvalue > RARE


def test_dropout_becomes_torchs_own_of_the_same_rate_in_its_place():
    model = nn.Sequential(nn.Linear(4, 3), Dropout(0.25), nn.ReLU(), Dropout(0.0), nn.Linear(3, 2))
    initialise_independently(model)
    kinds = [type(layer) for layer in model]
    assert kinds == [nn.Linear, nn.Dropout, nn.ReLU, nn.Dropout, nn.Linear]
    assert [model[1].p, model[3].p] == [0.25, 0.0]
    network, _ = build_model(RunSpec(model="dropout", mode="independent"), (12, 20, 3), 5)
    seeded, _ = build_model(RunSpec(model="dropout"), (12, 20, 3), 5)
    assert [name for name, _ in network.named_children()] == [
        name for name, _ in seeded.named_children()
    ]
    assert [network.dropout1.p, network.dropout2.p] == [0.25, 0.5]
