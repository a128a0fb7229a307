"""relu, max pool and dropout in one pass: the bits of torch's own operations, forward and back."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from covering import one_test

from torch_impl import native
from torch_impl.fast import PooledReLU, pool
from torch_impl.layers import Dropout

SIZES = [(2, 32, 26, 26), (3, 64, 11, 11), (1, 1, 2, 2), (2, 3, 5, 8), (2, 17, 4, 7), (5, 8, 3, 3)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.fixture(params=["compiled", "torch"])
def way(request, monkeypatch):
    """Both ways of computing it."""
    if request.param == "torch":
        monkeypatch.setattr(pool, "_loops_for", lambda x: None)
    elif native.library(pool.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    return request.param


def images(size, dtype=torch.float32, seed=0):
    """Signed noise in few different values, so that there are ties, and zeros, in channels-last."""
    x = torch.from_numpy(np.random.default_rng(seed).integers(-4, 5, size=size) / 3).to(dtype)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def in_the_usual_order(x, dropout=None):
    y = F.max_pool2d(F.relu(x), 2)
    return y if dropout is None else dropout(y)


def outcome(compute, x):
    """The output, and the gradient of a weighted sum of it."""
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = compute(x)
    y.backward(torch.linspace(-1, 1, y.numel(), dtype=y.dtype).reshape(y.shape))
    return y.detach(), x.grad


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_output_and_gradient_have_the_bits_of_relu_then_pool(way, size, dtype):
    x = images(size, dtype)
    for ours, theirs in zip(outcome(PooledReLU(), x), outcome(in_the_usual_order, x), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_dropout_draws_the_masks_that_it_always_draws(way, size, dtype):
    x = images(size, dtype)
    ours, theirs = Dropout(0.25, seed=7), Dropout(0.25, seed=7)
    fused = PooledReLU(ours)
    for _ in range(3):
        found = outcome(fused, x)
        expected = outcome(lambda values: in_the_usual_order(values, theirs), x)
        assert all(map(torch.equal, found, expected))
    assert ours.get_extra_state() == theirs.get_extra_state()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_numbers_that_are_not_finite_stay_where_they_are(way, dtype):
    x = images((1, 4, 4, 4), dtype).detach()
    x[0, 0, 0, 0], x[0, 1, 1, 1] = float("nan"), float("inf")
    x[0, 2, :2, :2] = float("-inf")
    np.testing.assert_array_equal(PooledReLU()(x).double(), in_the_usual_order(x).double())


@one_test
@pytest.mark.parametrize(
    "change",
    [
        lambda x: x.detach().contiguous(),  # channels first
        lambda x: x.detach()[:, :, ::2],  # a view
        lambda x: x.detach().half(),
        lambda x: x.detach()[0],
        lambda x: x.detach()[:0],
    ],
    ids=["channels first", "view", "float16", "one image", "no images"],
)
def test_other_images_are_left_to_torch_and_give_the_same(change):
    x = change(images((2, 6, 8, 8)))
    assert pool._loops_for(x) is None
    assert torch.equal(PooledReLU()(x), in_the_usual_order(x))


def test_images_of_one_row_are_the_error_that_they_are_in_torch():
    with pytest.raises(RuntimeError, match="Output size is too small"):
        PooledReLU()(images((2, 3, 1, 4)))


@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(num_threads, monkeypatch):
    if native.library(pool.SOURCE) is None:
        pytest.skip("no C compiler on this machine")
    x = images((7, 16, 13, 13))
    expected = outcome(in_the_usual_order, x)
    monkeypatch.setattr(torch, "get_num_threads", lambda: num_threads)
    assert all(map(torch.equal, outcome(PooledReLU(), x), expected))
