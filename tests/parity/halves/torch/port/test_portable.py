"""Activations and outputs in the portable layout, and outputs back again."""

import numpy as np
import pytest
import torch
from rows import each_row

from parity.halves.torch.port.portable import (
    as_returned,
    channels_first,
    from_portable,
    from_returned,
    in_order,
    to_portable,
)


@each_row("kind", ["global_average_pool", "global_max_pool"])
@each_row(
    "shape, expected",
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


@each_row(
    "kind, shape, expected",
    [
        ("global_average_pool", (2, 5, 3, 1), (2, 5)),
        ("global_average_pool", (2, 4, 1, 1), (2, 5)),
        ("dense", (2, 5, 1, 1), (2, 5)),
    ],
    ids=["axis_left", "other_channels", "other_kind"],
)
def test_nothing_else_is_made_to_fit(kind, shape, expected):
    assert to_portable(torch.zeros(shape), kind, expected).shape != expected


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param((8, 4), (2, 4), id="alike"),
        pytest.param((8, 5, 6, 3), (2, 3, 5, 6), id="channels first"),
        pytest.param((8, 1), (2,), id="squeezed"),
    ],
)
def test_outputs_go_from_keras_layout_to_the_ports_and_back(theirs, ours):
    array = torch.arange(torch.Size(theirs).numel(), dtype=torch.float64).reshape(theirs)
    returned = as_returned(array.numpy(), ours)
    assert returned.shape[1:] == ours[1:]
    assert torch.equal(from_returned(torch.from_numpy(returned.copy()), (2, *theirs[1:])), array)


def test_outputs_that_fit_no_layout_are_left_as_they_are():
    array = torch.zeros(8, 4)
    assert as_returned(array.numpy(), (2, 5)).shape == (8, 4)
    assert from_returned(array, (2, 5)).shape == (8, 4)


FORMS = {
    "folded_features": ((8, 5), (2, 4, 5), lambda k: k.reshape(8, 5)),
    "folded_images": (
        (6, 4, 3, 2),
        (2, 3, 3, 2, 4),
        lambda k: k.reshape(6, 3, 2, 4).transpose(0, 3, 1, 2),
    ),
    "steps_first": ((4, 2, 5), (2, 4, 5), lambda k: k.swapaxes(0, 1)),
    "channels_first": ((2, 5, 4, 3), (2, 4, 3, 5), lambda k: np.moveaxis(k, -1, 1)),
    "as_it_is": ((2, 4, 5), (2, 4, 5), lambda k: k),
}


@each_row("form", FORMS.values(), ids=FORMS)
def test_steps_that_are_folded_or_first_go_both_ways(form):
    shape, expected, turn = form
    array = np.random.default_rng(0).normal(size=expected)
    tensor = torch.from_numpy(turn(array).copy())
    assert tuple(tensor.shape) == shape
    np.testing.assert_array_equal(to_portable(tensor, "batch_norm", expected, array), array)
    back = from_portable(array, tensor, "batch_norm")
    np.testing.assert_array_equal(back, tensor)
    assert back.is_contiguous()


def test_an_image_of_one_channel_is_stored_as_channels_first():
    """`contiguous` does nothing here, and a convolution then answers with the channels last."""
    images = torch.randn(2, 6, 5, 1)
    turned = channels_first(images)
    assert torch.equal(turned, images.movedim(-1, 1))
    assert turned.stride() == (30, 30, 5, 1)
    assert torch.nn.Conv2d(1, 4, 3)(turned).view(2, -1).shape == (2, 48)
    assert torch.equal(in_order(images.movedim(-1, 1)), turned)
