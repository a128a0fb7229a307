"""Seeds of any size, negative ones too, give Keras's numbers in every layer and initialiser."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_bits, matches_normals_to_the_bit
from layer_pairs import to_keras, to_torch

from torch_impl import initializers, layers

FAR = [2**31 - 3, 2**31 - 2, 2**31 - 1, 2**31, *range(2**32 - 1, 2**32 + 6), -1, -7]
SEEDS = [0, 5, *FAR, -(2**31), 2**62 + 1, 2**63 - 1, -(2**63)]
# Name in Keras -> what makes ours and Keras's layer from a seed, and whether it draws normals.
LAYERS = {
    "Dropout": (layers.Dropout, False),
    "SpatialDropout1D": (layers.SpatialDropout, False),
    "AlphaDropout": (layers.AlphaDropout, False),
    "GaussianNoise": (layers.GaussianNoise, True),
    "GaussianDropout": (layers.GaussianDropout, True),
}
DRAWING = sorted({kind.__name__ for kind in initializers.INITIALIZERS.values() if kind.is_random})


def assert_same_numbers(ours, theirs, is_exact):
    if is_exact:
        assert_same_bits(ours, theirs)
    else:  # three units of the normal number, and the roundings of a product and a sum
        allowed = 8 * np.finfo(theirs.dtype).eps * max(np.abs(theirs).max(), 6)
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=allowed)


@one_test
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_draws_keras_numbers_from_a_seed_of_any_size(name, seed):
    kind, is_normal = LAYERS[name]
    theirs, ours = getattr(keras.layers, name)(0.4, seed=seed), kind(0.4, seed=seed).train()
    x = np.ones((3, 7, 5), np.float32)
    for _ in range(3):
        expected = theirs(x, training=True).numpy()
        found = to_keras(ours(to_torch(x)))
        assert_same_numbers(found, expected, not is_normal or matches_normals_to_the_bit())


@one_test
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", DRAWING)
def test_an_initialiser_draws_keras_numbers_from_a_seed_of_any_size(name, seed, dtype):
    theirs = getattr(keras.initializers, name)(seed=seed)
    expected = theirs((7, 5), dtype=str(dtype).removeprefix("torch.")).numpy()
    ours = getattr(initializers, name)(seed=seed)((7, 5), dtype=dtype).numpy()
    if name == "Orthogonal":  # both orthogonalise by LAPACK, each by its own
        allowed = 1e-5 if dtype == torch.float32 else 2e-14
        np.testing.assert_allclose(ours, expected, rtol=0, atol=allowed)
    else:
        assert_same_numbers(ours, expected, "niform" in name or matches_normals_to_the_bit())


@one_test
@pytest.mark.parametrize("seed", [True, 1.5, "7", 2**63, -(2**63) - 1], ids=repr)
@pytest.mark.parametrize("name", LAYERS)
def test_a_seed_that_keras_refuses_is_refused_when_the_layer_is_made(name, seed):
    with pytest.raises(ValueError, match=r"integer|mixed types"):
        getattr(keras.layers, name)(0.4, seed=seed)
    with pytest.raises(ValueError, match=r"expected an integer in \[-2\*\*63, 2\*\*63\)"):
        LAYERS[name][0](0.4, seed=seed)
