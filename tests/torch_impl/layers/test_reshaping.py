"""Reshaping of tensors as they are given; Flatten's order is tested in tests/.../test_layers.py."""

import numpy as np
import pytest
import torch
from covering import one_test
from layer_pairs import keras_layer, signed

from torch_impl.layers import Permute, RepeatVector, Reshape

CASES = {
    "Reshape": (Reshape, ((3, -1, 2),), (4, 3, 2)),
    "Permute": (Permute, ((3, 1, 2),), (4, 3, 2)),
    "RepeatVector": (RepeatVector, (3,), (5,)),
}


@one_test
@pytest.mark.parametrize("name", CASES)
def test_every_entry_is_where_keras_puts_it(name):
    kind, arguments, shape = CASES[name]
    x = signed((2, *shape))
    theirs = keras_layer(name, *arguments)(x).numpy()
    np.testing.assert_array_equal(kind(*arguments)(torch.tensor(x)).numpy(), theirs)


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Permute((0, 1)), r"dims=\(0, 1\): expected each of 1 ... 2 once"),
        (lambda: RepeatVector(0), "n=0: expected an integer of at least 1"),
    ],
    ids=["permute", "repeat"],
)
def test_another_argument_is_an_error_that_shows_it(make, message):
    with pytest.raises(ValueError, match=message):
        make()
