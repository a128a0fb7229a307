"""Weights leave and enter a torch model in the portable layout, every entry in its place."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import assert_same_weights
from torch import nn

from torch_impl.weights import get_weights, named_parameters, set_weights, to_portable


def small_model():
    """A kernel of 2x3 with 4 inputs and 5 outputs: all four axes differ."""
    return nn.Sequential(
        OrderedDict(conv1=nn.Conv2d(4, 5, (2, 3)), relu1=nn.ReLU(), dense1=nn.Linear(6, 7))
    )


def small_weights(dtype=np.float32):
    """Portable weights of `small_model`, all entries distinct."""
    shapes = {
        "conv1.kernel": (2, 3, 4, 5),
        "conv1.bias": (5,),
        "dense1.kernel": (6, 7),
        "dense1.bias": (7,),
    }
    numbers = iter(range(1000))
    return {
        name: np.array([next(numbers) for _ in range(np.prod(shape))], dtype).reshape(shape)
        for name, shape in shapes.items()
    }


def test_what_is_set_comes_back_from_arrays_of_any_memory_that_may_be_read_only():
    """A trace hands out memory-mapped arrays."""
    model, weights = small_model(), small_weights()
    turned = {name: np.asfortranarray(array) for name, array in weights.items()}
    turned["dense1.bias"] = weights["dense1.bias"][::-1].copy()[::-1]
    for array in turned.values():
        array.flags.writeable = False
    set_weights(model, turned)
    assert_same_weights(get_weights(model), weights)
    for name, parameter, layer in named_parameters(model):
        assert to_portable(torch.zeros_like(parameter), layer).shape == weights[name].shape


@one_test
@pytest.mark.parametrize("change", ["missing", "unknown"])
def test_other_names_are_an_error_that_lists_both(change):
    weights = small_weights()
    if change == "missing":
        del weights["conv1.bias"]
    else:
        weights["dense2.kernel"] = np.zeros((2, 2))
    expected = sorted(small_weights())
    with pytest.raises(ValueError, match="expected") as error:
        set_weights(small_model(), weights)
    assert str(error.value) == f"weights {sorted(weights)}: expected {expected}"


@one_test
@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("conv1.kernel", (5, 4, 2, 3), r"\(2, 3, 4, 5\)"),  # torch's own layout
        ("dense1.kernel", (7, 6), r"\(6, 7\)"),
        ("conv1.bias", (4,), r"\(5,\)"),
    ],
    ids=["conv_kernel", "dense_kernel", "bias"],
)
def test_another_shape_is_an_error_that_names_the_weight(name, shape, expected):
    weights = small_weights() | {name: np.zeros(shape, np.float32)}
    with pytest.raises(ValueError, match=rf"{name} of shape \({shape[0]},.*: expected {expected}"):
        set_weights(small_model(), weights)
