"""Normal noise is Keras's noise, call after call."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import signed, to_keras, to_torch

from torch_impl.layers import GaussianDropout, GaussianNoise

KINDS = {"GaussianNoise": GaussianNoise, "GaussianDropout": GaussianDropout}
SHAPES = {"images": (3, 5, 6, 4), "features": (5, 9)}


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("kind", KINDS)
def test_noise_is_keras_noise_call_after_call(kind, shape, dtype):
    theirs = getattr(keras.layers, kind)(0.3, seed=8, dtype=dtype)
    ours = KINDS[kind](0.3, seed=8)
    for call in range(3):
        x = signed(shape, call).astype(dtype)
        expected = theirs(x, training=True).numpy()
        output = to_keras(ours.train()(to_torch(x)))
        # A product and a sum; without a compiler a normal number is off by three units at most.
        allowed = 8 * np.finfo(dtype).eps * (1 + np.abs(x).max()) * 6
        assert np.abs(output - expected).max() <= allowed
        assert torch.equal(ours.eval()(to_torch(x)), to_torch(x))
    assert ours.num_calls == 3


@one_test
@pytest.mark.parametrize("kind", KINDS)
def test_noise_of_steps_in_keras_layout_is_that_of_turned_ones(kind):
    x = torch.from_numpy(signed((3, 6, 4), 0))
    turned = KINDS[kind](0.3, seed=8)(x.movedim(-1, 1)).movedim(1, -1)
    assert torch.equal(KINDS[kind](0.3, seed=8, channels_last=True)(x), turned)
    assert not torch.equal(KINDS[kind](0.3, seed=8)(x), turned)


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianNoise(1.5), r"stddev=1.5: expected a number in \[0, 1\]"),
        (lambda: GaussianDropout(1), r"rate=1: expected a number in \[0, 1\)"),
    ],
    ids=KINDS,
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
