"""Convolution, relu, max pool and dropout in one pass: torch's numbers, summed in another order."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from covering import one_test
from torch import nn

from torch_impl import native
from torch_impl.fast import PooledConv2d, conv_pool
from torch_impl.layers import Dropout

CL = torch.channels_last
DTYPES = [torch.float32, torch.float64]

# (images, channels, height, width), output channels, kernel
CASES = [
    ((4, 1, 28, 28), 32, 3),
    ((3, 1, 9, 14), 16, 3),  # an odd row is left over
    ((2, 3, 12, 11), 32, 3),
    ((2, 4, 8, 9), 48, (2, 5)),
    ((1, 1, 2, 2), 16, 1),
    ((2, 2, 7, 7), 16, 5),
]


@pytest.fixture(params=["compiled", "torch"])
def way(request, monkeypatch):
    """Both ways of computing it."""
    if request.param == "torch":
        monkeypatch.setattr(conv_pool, "_loops_for", lambda x, conv: None)
    elif native.library(conv_pool.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    return request.param


def convolution(channels, outputs, kernel, dtype=torch.float64, seed=0):
    torch.manual_seed(seed)
    return nn.Conv2d(channels, outputs, kernel).to(dtype).to(memory_format=CL)


def images(size, dtype=torch.float64, seed=1):
    draw = np.random.default_rng(seed).normal(size=size)
    return torch.from_numpy(draw).to(dtype).contiguous(memory_format=CL)


def in_the_usual_order(conv, x, dropout=None):
    y = F.max_pool2d(F.relu(conv(x)), 2)
    return y if dropout is None else dropout(y)


def outcome(compute, conv):
    """The output, and the gradients of a weighted sum of it."""
    conv.zero_grad()
    y = compute()
    y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape))
    return y.detach(), conv.weight.grad, conv.bias.grad


def rounding(conv, num_terms, dtype):
    """What the order of a sum can change: its terms times half a unit, for values of order 1.

    Higham, "Accuracy and stability of numerical algorithms", section 4.2; here both orders err, and
    sums of n random terms are of size sqrt(n).
    """
    return num_terms * num_terms**0.5 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("size", "outputs", "kernel"), CASES, ids=str)
def test_output_and_gradients_are_those_of_the_usual_order(way, size, outputs, kernel, dtype):
    conv, x = convolution(size[1], outputs, kernel, dtype), images(size, dtype)
    found = outcome(lambda: PooledConv2d(conv)(x), conv)
    expected = outcome(lambda: in_the_usual_order(conv, x), conv)
    taps, places = conv.weight[0].numel(), expected[0][:, 0].numel()
    for ours, theirs, terms in zip(found, expected, (taps, places, places), strict=True):
        assert ours.shape == theirs.shape
        assert (ours - theirs).abs().max() <= rounding(conv, terms, dtype)


def test_a_dropout_draws_the_masks_that_it_always_draws(way):
    conv, x = convolution(1, 32, 3), images((4, 1, 28, 28))
    ours, theirs = Dropout(0.25, seed=7), Dropout(0.25, seed=7)
    layer = PooledConv2d(conv, ours)
    for _ in range(3):
        found = outcome(lambda: layer(x), conv)
        expected = outcome(lambda: in_the_usual_order(conv, x, theirs), conv)
        assert torch.equal(found[0] == 0, expected[0] == 0)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert ours.get_extra_state() == theirs.get_extra_state()


def test_with_whole_numbers_no_sum_rounds_and_of_equal_values_the_first_gets_the_gradient(way):
    conv = convolution(1, 16, 3)
    draw = np.random.default_rng(5).integers
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(draw(-1, 2, size=conv.weight.shape)))
        conv.bias.zero_()
    x = torch.from_numpy(draw(-1, 2, size=(3, 1, 10, 10))).double().contiguous(memory_format=CL)
    found = outcome(lambda: PooledConv2d(conv)(x), conv)
    expected = outcome(lambda: in_the_usual_order(conv, x), conv)
    assert torch.equal(found[0], expected[0])
    torch.testing.assert_close(found[1:], expected[1:], rtol=1e-12, atol=1e-12)


def test_numbers_that_are_not_finite_stay_where_they_are(way):
    conv, x = convolution(1, 16, 1), images((1, 1, 6, 6))
    x[0, 0, 0, 0], x[0, 0, 3, 3] = float("nan"), float("inf")
    expected = in_the_usual_order(conv, x).detach()
    np.testing.assert_allclose(PooledConv2d(conv)(x).detach(), expected, rtol=1e-12)
    assert expected.isnan().any()
    assert expected.isinf().any()


@one_test
@pytest.mark.parametrize(
    "conv",
    [
        nn.Conv2d(1, 16, 3, stride=2),
        nn.Conv2d(1, 16, 3, padding=1),
        nn.Conv2d(1, 16, 3, padding="same"),
        nn.Conv2d(1, 16, 3, dilation=2),
        nn.Conv2d(2, 16, 3, groups=2),
        nn.Conv2d(1, 16, 3, bias=False),
        nn.Conv2d(8, 16, 3),  # a convolution of its own is faster
        nn.Conv2d(2, 16, 6),  # more taps than the loop has places for
    ],
    ids=str,
)
def test_other_convolutions_do_not_fit(conv):
    assert not PooledConv2d.is_fit(conv)


@one_test
@pytest.mark.parametrize(
    ("outputs", "change"),
    [
        (16, lambda x: x.contiguous()),  # channels first
        (16, lambda x: x.requires_grad_()),
        (10, lambda x: x),  # no whole vectors of channels
    ],
    ids=["channels first", "a gradient is wanted", "odd channels"],
)
def test_other_images_are_left_to_torch_and_give_the_same(outputs, change):
    conv, x = convolution(3, outputs, 3), change(images((2, 3, 8, 8)))
    assert conv_pool._loops_for(x, conv) is None
    assert torch.equal(PooledConv2d(conv)(x), in_the_usual_order(conv, x))


def test_images_smaller_than_the_kernel_are_the_error_that_they_are_in_torch(way):
    with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
        PooledConv2d(convolution(1, 16, 3))(images((2, 1, 2, 8)))


@pytest.mark.parametrize("num_threads", [2, 3])
def test_the_number_of_threads_changes_no_bit(num_threads, monkeypatch):
    if native.library(conv_pool.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    conv, x = convolution(1, 32, 3, torch.float32), images((7, 1, 13, 13), torch.float32)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    expected = outcome(lambda: PooledConv2d(conv)(x), conv)
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    assert all(map(torch.equal, outcome(lambda: PooledConv2d(conv)(x), conv), expected))
