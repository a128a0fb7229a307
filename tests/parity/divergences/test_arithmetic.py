"""Layers in NumPy are what torch computes, with paddings and strides of every kind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from parity.divergences import arithmetic

# Sums of at most 150 products of numbers around 1, added in another order.
CLOSE = {"rtol": 0, "atol": 1e-12}
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
SIDES = (9, 8, 7)


def first(x):
    """Channels first, as a tensor."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def last(x):
    return np.moveaxis(x.numpy(), 1, -1)


def padded(x, padding, value=0.0):
    flat = [side for pair in reversed(padding) for side in pair]
    return F.pad(first(x), flat, value=value)


WINDOWS = {
    "valid": (1, (3,), (1,), [(0, 0)], (1,)),
    "strided": (2, (3, 2), (2, 3), [(0, 0), (0, 0)], (1, 1)),
    "uneven_padding": (2, (3, 4), (1, 2), [(0, 1), (1, 2)], (1, 1)),
    "dilated": (2, (2, 3), (1, 1), [(1, 1), (2, 2)], (3, 2)),
    "three_axes": (3, (2, 3, 1), (1, 2, 2), [(0, 1), (1, 1), (0, 0)], (1, 1, 1)),
}


@pytest.mark.parametrize(("rank", "size", "strides", "padding", "dilation"), WINDOWS.values(),
                         ids=WINDOWS)  # fmt: skip
@pytest.mark.parametrize("groups", [1, 2], ids=["whole", "groups"])
@pytest.mark.parametrize("with_bias", [True, False], ids=["bias", "no_bias"])
def test_a_convolution_is_that_of_torch(rank, size, strides, padding, dilation, groups, with_bias):
    draw = np.random.default_rng(rank)
    x = draw.normal(size=(2, *SIDES[:rank], 4))
    kernel = draw.normal(size=(*size, 4 // groups, 6))
    bias = draw.normal(size=6) if with_bias else None
    expected = CONV[rank](
        padded(x, padding),
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))),
        None if bias is None else torch.from_numpy(bias),
        stride=strides,
        dilation=dilation,
        groups=groups,
    )
    found = arithmetic.conv(x, kernel, bias, strides, padding, dilation)
    np.testing.assert_allclose(found, last(expected), **CLOSE)


@pytest.mark.parametrize("multiplier", [1, 3])
@pytest.mark.parametrize("name", ["valid", "uneven_padding", "dilated", "three_axes"])
def test_a_depthwise_convolution_is_that_of_torch(multiplier, name):
    rank, size, strides, padding, dilation = WINDOWS[name]
    draw = np.random.default_rng(3)
    x = draw.normal(size=(2, *SIDES[:rank], 4))
    kernel, bias = draw.normal(size=(*size, 4, multiplier)), draw.normal(size=4 * multiplier)
    flat = kernel.reshape(*size, 1, 4 * multiplier)
    expected = CONV[rank](
        padded(x, padding),
        torch.from_numpy(np.ascontiguousarray(np.moveaxis(flat, (-1, -2), (0, 1)))),
        torch.from_numpy(bias),
        stride=strides,
        dilation=dilation,
        groups=4,
    )
    found = arithmetic.depthwise_conv(x, kernel, bias, strides, padding, dilation)
    np.testing.assert_allclose(found, last(expected), **CLOSE)


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)], ids=str)
@pytest.mark.parametrize("padding", [[(0, 0), (0, 0)], [(1, 1), (0, 0)], [(0, 1), (1, 1)]], ids=str)
def test_a_max_pool_is_that_of_torch(strides, padding):
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 3)) - 3  # so that zeros would win
    for fill in (-np.inf, 0.0):
        expected = F.max_pool2d(padded(x, padding, fill), (3, 2), strides)
        found = arithmetic.pool(x, (3, 2), strides, padding, fill=fill)
        np.testing.assert_array_equal(found, last(expected))


@pytest.mark.parametrize("strides", [(1, 1), (2, 3)], ids=str)
@pytest.mark.parametrize("counted", [True, False], ids=["counted", "not_counted"])
def test_an_average_pool_is_that_of_torch(strides, counted):
    x = np.random.default_rng(0).normal(size=(2, 9, 8, 3))
    expected = F.avg_pool2d(first(x), (3, 2), strides, (1, 1), count_include_pad=counted)
    found = arithmetic.pool(x, (3, 2), strides, [(1, 1), (1, 1)], fill=0.0, counted=counted)
    np.testing.assert_allclose(found, last(expected), **CLOSE)


@pytest.mark.parametrize("shape", [(5, 4), (3, 6, 4), (2, 5, 3, 4)], ids=str)
def test_a_batch_normalisation_is_that_of_torch(shape):
    draw = np.random.default_rng(1)
    x, (gamma, beta, mean) = draw.normal(size=shape) * 3 + 1, draw.normal(size=(3, 4))
    variance = draw.uniform(0.1, 2, size=4)
    tensors = [torch.from_numpy(value) for value in (mean, variance, gamma, beta)]
    expected = F.batch_norm(first(x), *tensors, training=False, eps=1e-3)
    found = arithmetic.batch_norm(x, mean, variance, gamma, beta, 1e-3)
    np.testing.assert_allclose(found, last(expected), **CLOSE)
    plain = F.batch_norm(first(x), *tensors[:2], training=False, eps=0.1)
    found = arithmetic.batch_norm(x, mean, variance, None, None, 0.1)
    np.testing.assert_allclose(found, last(plain), **CLOSE)
    means, variances, count = arithmetic.batch_statistics(x)
    every = first(x).transpose(0, 1).reshape(4, -1)
    np.testing.assert_allclose(means, every.mean(1), **CLOSE)
    np.testing.assert_allclose(variances, every.var(1, correction=0), **CLOSE)
    assert count == every.shape[1]


@pytest.mark.parametrize(
    ("side", "size", "stride", "dilation", "expected"),
    [
        (5, 3, 1, 1, (1, 1)),
        (5, 2, 1, 1, (0, 1)),
        (6, 3, 2, 1, (0, 1)),
        (5, 3, 2, 1, (1, 1)),
        (7, 4, 3, 1, (1, 2)),
        (8, 1, 2, 1, (0, 0)),
        (9, 3, 1, 3, (3, 3)),
        (10, 5, 4, 1, (1, 2)),
    ],
)
def test_same_padding_is_that_of_tensorflow(side, size, stride, dilation, expected):
    """By hand, from out = ceil(in / stride), the odd one behind:
    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2"""  # fmt: skip
    assert arithmetic.same_padding([side], [size], [stride], [dilation]) == [expected]


def test_the_usual_padding_is_half_of_the_window():
    assert arithmetic.symmetric_padding((3, 4, 5), (1, 1, 2)) == [(1, 1), (2, 2), (4, 4)]


@pytest.mark.parametrize("padding", [10**5, 10**9], ids=str)
def test_settings_that_would_fill_the_memory_are_refused(padding):
    x, kernel = np.ones((2, 5, 5, 1)), np.ones((3, 3, 1, 2))
    with pytest.raises(ValueError, match="expected a smaller layer"):
        arithmetic.conv(x, kernel, None, (1, 1), [(padding, padding)] * 2, (1, 1))


TORCH = {
    "linear": lambda x: x,
    "relu": F.relu,
    "relu6": F.relu6,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "leaky_relu (0.01)": F.leaky_relu,
    "leaky_relu (0.3)": lambda x: F.leaky_relu(x, 0.3),
    "elu": F.elu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": F.softplus,
    "silu": F.silu,
    "gelu (exact)": F.gelu,
    "gelu (tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "hard_sigmoid": F.hardsigmoid,
    "hard_sigmoid (of Keras 2)": lambda x: (0.2 * x + 0.5).clip(0, 1),
    "abs": torch.abs,
    "square": torch.square,
    "minus": torch.neg,
    "exp": torch.exp,
    "sqrt of abs": lambda x: x.abs().sqrt(),
    "relu squared": lambda x: F.relu(x).square(),
    "1 - x": lambda x: 1 - x,
    "softsign": F.softsign,
    "selu": F.selu,
    "mish": F.mish,
    "hard_silu": F.hardswish,
    "elu (0.5)": lambda x: F.elu(x, 0.5),
}


@pytest.mark.parametrize("name", arithmetic.ACTIVATIONS)
def test_an_activation_is_that_of_torch(name):
    x = np.random.default_rng(2).normal(size=(7, 9)) * 4
    expected = TORCH[name](torch.from_numpy(x)).numpy()
    # softplus of torch is x itself above 20, off by 2e-9; nothing here is as large.
    np.testing.assert_allclose(arithmetic.ACTIVATIONS[name](x), expected, rtol=1e-14, atol=1e-12)
