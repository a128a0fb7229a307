"""Initialisers give Keras's numbers, bit for bit: many shapes and seeds of each."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits, matches_normals_to_the_bit
from keras.src.initializers import ALL_OBJECTS_DICT

from torch_impl import initializers
from torch_impl.initializers import from_config

pytestmark = pytest.mark.usefixtures("direct")

DRAWN = ("RandomUniform", "RandomNormal", "TruncatedNormal")  # all others scale one of these
NUM_DRAWS = 200
NUM_SCALED = 50
DTYPES = (torch.float32, torch.float64)
CASES = [
    ("RandomUniform", {}),
    ("RandomUniform", {"minval": -0.3, "maxval": 1.7}),
    ("RandomNormal", {}),
    ("RandomNormal", {"mean": 0.3, "stddev": 0.7}),
    ("TruncatedNormal", {}),
    ("TruncatedNormal", {"mean": -0.2, "stddev": 0.3}),
    *(
        ("VarianceScaling", {"scale": scale, "mode": mode, "distribution": distribution})
        for scale, mode in ((1.0, "fan_in"), (0.37, "fan_out"), (2.0, "fan_avg"))
        for distribution in ("uniform", "truncated_normal", "untruncated_normal", "Normal")
    ),
    *((name, {}) for name in ("GlorotUniform", "GlorotNormal", "HeUniform")),
    *((name, {}) for name in ("HeNormal", "LecunUniform", "LecunNormal")),
    ("HeNormal", {"input_axes": (0, 1), "output_axes": (-1,)}),
    ("Constant", {"value": 0.1}),
    ("Constant", {"value": -3}),
    ("Zeros", {}),
    ("Ones", {}),
]


def name_of(case):
    return "-".join([case[0], *(f"{key}={value}" for key, value in case[1].items())])


def shapes_and_seeds(number, seed, max_rank=4, min_rank=1, top=8):
    """Shapes of all ranks, and the seeds that Keras draws, with some that it takes modulo."""
    generator = np.random.default_rng(seed)
    for i in range(number):
        rank = generator.integers(min_rank, max_rank + 1)
        shape = tuple(int(size) for size in generator.integers(1, top, rank))
        far = int(generator.integers(-(2**62), 2**62))
        yield shape, far if i % 5 == 0 else int(generator.integers(1, 10**9))


def both(name, settings, shape, seed, dtype):
    """The arrays that ours and Keras's initialiser give."""
    kind = getattr(initializers, name)
    seeds = {"seed": seed} if kind.is_random else {}
    theirs = getattr(keras.initializers, name)(**settings, **seeds)
    expected = theirs(shape, dtype=str(dtype).removeprefix("torch.")).numpy()
    return kind(**settings)(shape, seed=seed, dtype=dtype).numpy(), expected


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_an_initialiser_gives_the_numbers_of_keras(case, dtype):
    name, settings = case
    min_rank = 2 if "input_axes" in settings else 1
    draws = 10 if name in ("Constant", "Zeros", "Ones") else NUM_SCALED
    draws = NUM_DRAWS if name in DRAWN else draws
    is_exact = "niform" in name_of(case) or matches_normals_to_the_bit()
    for shape, seed in shapes_and_seeds(draws, seed=len(name), min_rank=min_rank):
        ours, theirs = both(name, settings, shape, seed, dtype)
        if is_exact:
            assert_same_bits(ours, theirs)
        else:  # three units of the normal number, and the roundings of a product and a sum
            eps = np.finfo(theirs.dtype).eps
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=8 * eps * np.abs(theirs).max())


@one_test
@pytest.mark.parametrize(("dtype", "allowed"), [(DTYPES[0], 1e-5), (DTYPES[1], 2e-14)], ids=str)
def test_an_orthogonal_kernel_is_that_of_keras(dtype, allowed):
    """Ten times the greatest difference measured over 200 matrices of up to 60 x 60."""
    shapes = [*shapes_and_seeds(60, seed=1, min_rank=2), *shapes_and_seeds(20, 2, 2, 2, top=40)]
    for shape, seed in shapes:
        ours, theirs = both("Orthogonal", {"gain": 1.3}, shape, seed, dtype)
        assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=allowed)


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("gain", [1.0, 0.3])
@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4), (1, 1)], ids=str)
def test_an_identity_is_that_of_keras(shape, gain, dtype):
    assert_same_bits(*both("Identity", {"gain": gain}, shape, None, dtype))


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("periodic", [True, False], ids=["periodic", "symmetric"])
@pytest.mark.parametrize("scaling", ["density", "spectrum", None])
@pytest.mark.parametrize("window", ["hann", "hamming", None])
@pytest.mark.parametrize("side", ["real", "imag"])
def test_waves_are_those_of_keras(side, window, scaling, periodic, dtype):
    """A wave of up to 1 takes four roundings on either side; half a unit of 1 was measured."""
    settings = {"side": side, "window": window, "scaling": scaling, "periodic": periodic}
    ours, theirs = both("STFT", settings, (17, 1, 9), None, dtype)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=4 * np.finfo(theirs.dtype).eps)


def test_a_seed_is_drawn_only_where_keras_draws_one():
    assert initializers.HeNormal().draws_seed
    assert not initializers.HeNormal(seed=3).draws_seed
    assert not initializers.Zeros().draws_seed
    own = initializers.HeNormal(seed=3)((4, 5))
    assert torch.equal(own, initializers.HeNormal()((4, 5), seed=3))


def test_every_name_of_keras_gives_its_initialiser():
    assert set(ALL_OBJECTS_DICT) - set(initializers.INITIALIZERS) == {"Initializer", "initializer"}
    for name, kind in initializers.INITIALIZERS.items():
        assert ALL_OBJECTS_DICT[name].__name__ == kind.__name__
        assert type(from_config(name)) is kind


@one_test
@pytest.mark.parametrize(
    "theirs",
    [
        keras.initializers.HeNormal(seed=7),
        keras.initializers.GlorotUniform(),
        keras.initializers.VarianceScaling(0.3, "fan_out", "uniform", seed=1),
        keras.initializers.VarianceScaling(input_axes=(0,), output_axes=(1,)),
        keras.initializers.RandomUniform(-1.0, 2.0, seed=5),
        keras.initializers.TruncatedNormal(0.5, 0.1),
        keras.initializers.Orthogonal(gain=2.0, seed=3),
        keras.initializers.Constant(0.25),
        keras.initializers.Identity(0.5),
        keras.initializers.Zeros(),
        keras.initializers.STFT("imag", scaling="spectrum"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_configuration_of_keras_gives_the_same_settings(theirs):
    ours = from_config(keras.initializers.serialize(theirs))
    assert type(ours).__name__ == type(theirs).__name__
    for name, value in theirs.get_config().items():
        if name != "gain" or isinstance(theirs, keras.initializers.Orthogonal):
            assert getattr(ours, name) == value


ARRAYS = {
    "float64": (np.array([0.1, 0.2, 0.3]), (3,)),
    "float32": (np.array([[0.1], [0.2]], dtype="float32"), (2, 3)),
    "whole": (np.eye(3, dtype="int64").flatten(), (9,)),
    "list": ([0.1, 0.2, 0.3], (4, 3)),
}


@one_test
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("value", "shape"), ARRAYS.values(), ids=ARRAYS)
def test_an_array_gives_the_numbers_of_keras(value, shape, dtype):
    """An array of NumPy has its own numbers, and a list those of float32."""
    theirs = keras.initializers.Constant(value)
    ours = from_config(keras.initializers.serialize(theirs))(shape, dtype=dtype).numpy()
    expected = theirs(shape, dtype=str(dtype).removeprefix("torch.")).numpy()
    assert ours.dtype == expected.dtype
    np.testing.assert_array_equal(ours, expected)


MISTAKES = {
    "no seed": (
        lambda: initializers.HeNormal()((4, 5)),
        "seed=None, and the initializer has seed=None",
    ),
    "two seeds": (
        lambda: initializers.HeNormal(seed=3)((4, 5), seed=4),
        "seed=4, and the initializer has seed=3",
    ),
    "name": (lambda: from_config("xavier"), r"initializer 'xavier': expected one of \['Constant'"),
    "seed_generator": (
        lambda: from_config(
            keras.initializers.serialize(
                keras.initializers.HeNormal(seed=keras.random.SeedGenerator(3))
            )
        ),
        r"seed=\{.*SeedGenerator.*: expected an integer",
    ),
    "value": (
        lambda: from_config({"class_name": "Constant", "config": {"value": {"a": 1}}}),
        r"value=\{'a': 1\}: expected a number or an array",
    ),
    "words": (
        lambda: from_config({"class_name": "Constant", "config": {"value": ["a"]}}),
        r"value of dtype <U1: expected an array of numbers",
    ),
    "array": (
        lambda: initializers.Constant((1.0, 2.0))((3,)),
        r"shape=\(3,\): expected one to which an array of \(2,\) fits",
    ),
    "scale": (lambda: initializers.VarianceScaling(0.0), "scale=0.0: expected a positive number"),
    "mode": (lambda: initializers.VarianceScaling(mode="fan"), "mode='fan': expected one of"),
    "distribution": (
        lambda: initializers.VarianceScaling(distribution="gamma"),
        "distribution='gamma': expected one of",
    ),
    "rank": (
        lambda: initializers.Orthogonal()((3,), seed=1),
        r"shape=\(3,\): expected at least two axes",
    ),
    "matrix": (
        lambda: initializers.Identity()((3, 3, 3)),
        r"shape=\(3, 3, 3\): expected that of a matrix",
    ),
    "side": (lambda: initializers.STFT("left"), "side='left': expected 'real' or 'imag'"),
    "scaling": (lambda: initializers.STFT(scaling="dB"), "scaling='dB': expected 'density'"),
    "dtype": (
        lambda: initializers.STFT()((4, 1, 3), dtype=torch.float16),
        "dtype=torch.float16: expected torch.float32 or torch.float64",
    ),
}


@one_test
@pytest.mark.parametrize(("make", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_an_error_that_says_what_was_expected(make, message):
    with pytest.raises(ValueError, match=message):
        make()
