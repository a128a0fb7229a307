"""Activations in the portable layout."""

import numpy as np
import pytest
import torch

from torch_impl.portable import to_portable


@pytest.mark.parametrize("kind", ["global_average_pool", "global_max_pool"])
@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((2, 5, 1, 1), (2, 5)),
        ((2, 5), (2, 1, 1, 5)),
        ((2, 5, 1, 1), (2, 1, 1, 5)),
        ((1, 5, 1), (1, 5)),
        ((2, 5), (2, 5)),
    ],
    ids=["kept_in_torch", "kept_in_keras", "kept_in_both", "one_sample", "dropped_in_both"],
)
def test_a_pool_of_whole_images_may_keep_its_axes_in_either_half(kind, shape, expected):
    tensor = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    array = to_portable(tensor, kind, expected)
    assert array.shape == expected
    np.testing.assert_array_equal(array.reshape(-1), tensor.numpy().reshape(-1))


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        ("global_average_pool", (2, 5, 3, 1), (2, 5)),
        ("global_average_pool", (2, 4, 1, 1), (2, 5)),
        ("dense", (2, 5, 1, 1), (2, 5)),
    ],
    ids=["axis_left", "other_channels", "other_kind"],
)
def test_nothing_else_is_made_to_fit(kind, shape, expected):
    assert to_portable(torch.zeros(shape), kind, expected).shape != expected
