"""Layers and initialisers compute what Keras's layers of the same name compute."""

import io
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from covering import one_test
from helpers import assert_same_bits, assert_same_weights
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import nn

import keras_impl.models
import keras_impl.weights
from parity.programs.run_spec import MODELS, RunSpec
from parity.programs.settings import DTYPES
from torch_impl.layers import Dropout, Flatten, glorot_uniform, initialise, initialise_independently
from torch_impl.models import build_model
from torch_impl.philox import stateless_keep
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
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_dropout_does_not_depend_on_the_memory_layout(layout):
    x = torch.randn(3, 2, 5, 7)
    expected = Dropout(0.5, seed=8)(x)
    assert torch.equal(Dropout(0.5, seed=8)(x.contiguous(memory_format=layout)), expected)


def test_an_eval_call_in_between_does_not_move_the_masks_as_in_keras():
    theirs = keras.layers.Dropout(0.5, seed=9)
    ours = Dropout(0.5, seed=9)
    x = signed((4, 6), "float32")
    for training in (True, False, True):
        ours.train(training)
        np.testing.assert_array_equal(ours(torch.tensor(x)), theirs(x, training=training))


def test_dropout_of_rate_zero_passes_through_as_in_keras():
    layer = Dropout(0.0, seed=1)
    x = signed((4, 6), "float32")
    assert torch.equal(layer(torch.tensor(x)), torch.tensor(x))
    np.testing.assert_array_equal(keras.layers.Dropout(0.0)(x, training=True), x)
    assert layer.num_calls == 0


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_of_dropout_is_the_mask_times_the_scale_as_in_keras(dtype):
    rate, scale = 0.3, np.dtype(dtype).type(1 / 0.7)
    value, upstream = signed((4, 5, 6, 3), dtype), signed((4, 5, 6, 3), dtype, seed=1)
    x = to_torch(value).requires_grad_()
    (Dropout(rate, seed=4)(x) * to_torch(upstream)).sum().backward()
    mask = stateless_keep(value.shape, rate, seed=(4, 0), dtype=x.dtype).numpy()
    np.testing.assert_array_equal(to_keras(x.grad), mask * (upstream * scale))
    theirs = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(theirs)
        dropped = keras.layers.Dropout(rate, seed=4, dtype=dtype)(theirs, training=True)
        total = tf.reduce_sum(dropped * upstream)
    np.testing.assert_array_equal(to_keras(x.grad), tape.gradient(total, theirs).numpy())


def test_dropout_drops_an_infinite_value_to_zero_as_keras_does():
    x = np.full((1, 200), np.inf, np.float32)
    theirs = keras.layers.Dropout(0.5, seed=3)(x, training=True).numpy()
    assert set(theirs.ravel()) == {0, np.inf}
    assert_same_bits(Dropout(0.5, seed=3)(torch.tensor(x)).numpy(), theirs)


def test_dropout_drops_a_negative_value_to_plus_zero_as_keras_does():
    x = np.full((1, 200), -1, np.float32)
    theirs = keras.layers.Dropout(0.5, seed=3)(x, training=True).numpy()
    assert_same_bits(Dropout(0.5, seed=3)(torch.tensor(x)).numpy(), theirs)


def test_a_restored_dropout_goes_on_with_the_next_mask():
    layer = nn.Sequential(Dropout(0.5, seed=11))
    x = torch.ones(2, 30)
    layer(x)
    layer(x)
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    expected = layer(x)
    file.seek(0)
    restored = nn.Sequential(Dropout(0.5))
    restored.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(restored(x), expected)
    assert (restored[0].seed, restored[0].num_calls) == (11, 3)


def test_dropout_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    Dropout(0.5, seed=1)(torch.ones(2, 40))
    assert torch.equal(torch.get_rng_state(), before)


@one_test
@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
def test_a_rate_outside_of_the_unit_interval_is_an_error_that_shows_it(rate):
    with pytest.raises(ValueError, match=rf"rate={rate!r}: expected a number in \[0, 1\)"):
        Dropout(rate)


def test_the_repr_of_dropout_says_rate_and_seed():
    assert repr(Dropout(0.25, seed=3)) == "Dropout(rate=0.25, seed=3)"


@one_test
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_flatten_has_the_order_of_keras(layout):
    x = np.arange(2 * 3 * 5 * 4, dtype=np.float32).reshape(2, 3, 5, 4)
    theirs = keras.layers.Flatten()(x).numpy()
    ours = Flatten()(to_torch(x).contiguous(memory_format=layout)).numpy()
    np.testing.assert_array_equal(ours, theirs)
    assert (ours != nn.Flatten()(to_torch(x)).numpy()).any()  # what torch's own order would give


def test_flatten_leaves_what_is_flat():
    x = torch.randn(3, 7)
    assert torch.equal(Flatten()(x), x)


@given(
    shape=st.lists(st.integers(1, 9), min_size=4, max_size=4)
    | st.lists(st.integers(1, 200), min_size=2, max_size=2),
    seed=st.integers(1, 10**9),
    dtype=st.sampled_from(DTYPES),
)
def test_glorot_uniform_draws_keras_kernel_for_any_shape_and_seed(shape, seed, dtype):
    theirs = keras.initializers.GlorotUniform(seed=seed)(tuple(shape), dtype=dtype).numpy()
    ours = glorot_uniform(tuple(shape), seed=seed, dtype=getattr(torch, dtype)).numpy()
    assert_same_bits(ours, theirs)


@pytest.mark.parametrize("data", ["color_data", "digit_data"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_starts_with_the_weights_of_the_keras_model(model, dtype, data, request):
    data = request.getfixturevalue(data)
    spec = RunSpec(model=model, dtype=dtype, seed=2024)
    ours, seeds = build_model(spec, data.input_shape, data.num_classes)
    theirs = keras_impl.models.build_model(spec, data.input_shape, data.num_classes)
    assert_same_weights(get_weights(ours), keras_impl.weights.get_weights(theirs))
    # Both generators stand at the same place, so that what is drawn next agrees as well.
    assert seeds.python.getstate() == random.getstate()
    np.testing.assert_array_equal(seeds.numpy.get_state()[1], np.random.get_state()[1])


def test_initialise_draws_a_seed_where_keras_does():
    keras.utils.set_random_seed(5)
    theirs = keras.Sequential(
        [
            keras.layers.Input((4,)),
            keras.layers.Dense(3),
            keras.layers.Dropout(0.0),  # has no seed in Keras
            keras.layers.Dropout(0.5),
            keras.layers.Dense(2),
        ]
    )
    ours = nn.Sequential(nn.Linear(4, 3), Dropout(0.0), Dropout(0.5), nn.Linear(3, 2))
    initialise(ours, KerasSeeds(5))
    assert ours[2].seed == int(theirs.layers[2].seed_generator.state.numpy()[0])
    assert_same_bits(ours[3].weight.detach().numpy().T, theirs.layers[3].kernel.numpy())


def test_initialise_takes_layers_without_bias():
    keras.utils.set_random_seed(5)
    theirs = keras.Sequential(
        [
            keras.layers.Input((6, 5, 2)),
            keras.layers.Conv2D(3, (3, 2), use_bias=False),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    ours = nn.Sequential(nn.Conv2d(2, 3, (3, 2), bias=False), nn.Linear(3, 2, bias=False))
    initialise(ours, KerasSeeds(5))
    kernel = ours[0].weight.detach().permute(2, 3, 1, 0).numpy()
    assert_same_bits(kernel, theirs.layers[0].kernel.numpy())
    assert_same_bits(ours[1].weight.detach().numpy().T, theirs.layers[1].kernel.numpy())


# Fan in and fan out of a kernel, by hand: a convolution sees height × width of each channel.
GLOROT = {
    "dense": (lambda: nn.Linear(700, 90), 700, 90),
    "dense_widening": (lambda: nn.Linear(30, 900), 30, 900),
    "conv": (lambda: nn.Conv2d(8, 64, 3), 8 * 9, 64 * 9),
    "conv_not_square": (lambda: nn.Conv2d(40, 20, (2, 5)), 40 * 10, 20 * 10),
}


RARE = 1e-5  # a test that rejects what is right so seldom


def share_of_limit(weight, fan_in, fan_out):
    """The weights as numbers in [-1, 1], if they are Glorot-uniform."""
    return weight.detach().numpy().ravel() / (6 / (fan_in + fan_out)) ** 0.5


def is_uniform(values):
    """Whether numbers could be drawn from [-1, 1] evenly (Kolmogorov and Smirnov)."""
    return stats.kstest(values, stats.uniform(-1, 2).cdf).pvalue > RARE


@one_test
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("make", "fan_in", "fan_out"), GLOROT.values(), ids=GLOROT)
def test_independent_kernels_are_uniform_up_to_glorots_limit(make, fan_in, fan_out, dtype):
    torch.manual_seed(1)
    layer = make().to(getattr(torch, dtype))
    # Torch's default, which has another limit, does not pass.
    assert not is_uniform(share_of_limit(layer.weight, fan_in, fan_out))
    initialise_independently(nn.Sequential(layer))
    values = share_of_limit(layer.weight, fan_in, fan_out)
    assert len(values) > 4000
    assert 0.999 < np.abs(values).max() <= 1 + 1e-6
    assert is_uniform(values)
    assert str(layer.weight.dtype) == f"torch.{dtype}"


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


def test_independent_weights_follow_from_torchs_generator():
    def weights(seed):
        torch.manual_seed(seed)
        model = nn.Sequential(nn.Conv2d(1, 2, 3, bias=False), nn.Linear(5, 3))
        initialise_independently(model)
        return model.state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["1.weight"], other["1.weight"])


def test_the_seed_of_a_spec_decides_an_independent_model_and_the_masks_that_follow():
    def outcome(seed, before):
        torch.manual_seed(before)
        model, _ = build_model(
            RunSpec(model="dropout", mode="independent", seed=seed), (12, 20, 3), 5
        )
        return get_weights(model), model.dropout1(torch.ones(3, 4, 5, 6))

    (first, mask), (again, same), (other, third) = outcome(1, 7), outcome(1, 8), outcome(2, 7)
    assert_same_weights(again, first)
    assert torch.equal(same, mask)
    assert (other["conv1.kernel"] != first["conv1.kernel"]).any()
    assert not torch.equal(third, mask)


def test_keras_generators_do_not_move_an_independent_model():
    keras_seeds = build_model(RunSpec(mode="independent", seed=3), (12, 20, 3), 5)[1]
    assert keras_seeds.python.getstate() == KerasSeeds(3).python.getstate()
