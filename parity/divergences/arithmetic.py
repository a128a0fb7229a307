"""Layers in a few lines of NumPy, in Keras's layout, to try a suspected formula.

They are slow, and made for the small arrays of a probe. Paddings are ((before, after), ...), a
pair per spatial axis.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special

Padding = Sequence[tuple[int, int]]

# Entries of an array; a formula that needs more, because of settings from outside, is not tried.
# The probes of a check have 1e5.
MAX_ENTRIES = 2**24


def conv(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
) -> np.ndarray:
    """Returns a convolution: x (N, ..., C), kernel (..., C / groups, out)."""
    windows = _windows(x, kernel.shape[:-2], strides, padding, dilation, 0.0)
    groups = x.shape[-1] // kernel.shape[-2]
    parts = []
    for group in range(groups):
        inputs = np.split(windows, groups, axis=-1)[group]
        outputs = np.split(kernel, groups, axis=-1)[group]
        axes = list(range(1 - outputs.ndim, 0))
        parts.append(np.tensordot(inputs, outputs, axes=(axes, list(range(outputs.ndim - 1)))))
    y = np.concatenate(parts, axis=-1)
    return y if bias is None else y + bias


def depthwise_conv(
    x: np.ndarray,
    kernel: np.ndarray,
    bias: np.ndarray | None,
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
) -> np.ndarray:
    """Returns a depthwise convolution, one group per channel: kernel (..., C, multiplier)."""
    return conv(x, kernel.reshape(*kernel.shape[:-2], 1, -1), bias, strides, padding, dilation)


def pool(
    x: np.ndarray,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    *,
    fill: float,
    counted: bool | None = None,
) -> np.ndarray:
    """Returns a pool: the maximum, or the mean, with or without padding as a value (`counted`)."""
    windows = _windows(x, size, strides, padding, [1] * len(size), fill)
    axes = tuple(range(-1 - len(size), -1))
    if counted is None:
        return np.asarray(windows.max(axis=axes))
    if counted:
        return np.asarray(windows.mean(axis=axes))
    ones = _windows(np.ones_like(x), size, strides, padding, [1] * len(size), 0.0)
    return np.asarray(windows.sum(axis=axes) / ones.sum(axis=axes))


def batch_norm(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    gamma: np.ndarray | None,
    beta: np.ndarray | None,
    epsilon: float,
) -> np.ndarray:
    """Returns gamma * (x - mean) / sqrt(variance + epsilon) + beta, by channel."""
    y: np.ndarray = (x - mean) / np.sqrt(variance + epsilon)
    y = y if gamma is None else y * gamma
    return y if beta is None else y + beta


def batch_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Returns mean, biased variance and number of values of each channel."""
    axes = tuple(range(x.ndim - 1))
    return x.mean(axis=axes), x.var(axis=axes), math.prod(x.shape[:-1])


def same_padding(
    shape: Sequence[int], size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> list[tuple[int, int]]:
    """Returns Keras's "same" padding: for ceil(side / stride) outputs, the odd pixel after."""
    result = []
    for side, k, stride, d in zip(shape, size, strides, dilation, strict=True):
        total = max((-(-side // stride) - 1) * stride + (k - 1) * d + 1 - side, 0)
        result.append((total // 2, total - total // 2))
    return result


def symmetric_padding(size: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the usual `padding=k // 2`."""
    return [(k // 2 * d, k // 2 * d) for k, d in zip(size, dilation, strict=True)]


ACTIVATIONS = {
    "linear": lambda x: x,
    "abs": np.abs,
    "square": np.square,
    "minus": np.negative,
    "exp": np.exp,
    "sqrt of abs": lambda x: np.sqrt(np.abs(x)),
    "relu squared": lambda x: np.maximum(x, 0) ** 2,
    "1 - x": lambda x: 1 - x,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0)))
    ),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "hard_silu": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "elu (0.5)": lambda x: np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "leaky_relu": lambda x: np.where(x > 0, x, 0.2 * x),
    "leaky_relu (0.01)": lambda x: np.where(x > 0, x, 0.01 * x),
    "leaky_relu (0.3)": lambda x: np.where(x > 0, x, 0.3 * x),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "silu": lambda x: x * special.expit(x),
    "gelu (exact)": lambda x: x * special.ndtr(x),
    "gelu (tanh)": lambda x: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "softmax": lambda x: special.softmax(x, axis=-1),
    "log_softmax": lambda x: special.log_softmax(x, axis=-1),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_sigmoid (of Keras 2)": lambda x: np.clip(0.2 * x + 0.5, 0, 1),
}


def _windows(
    x: np.ndarray,
    size: Sequence[int],
    strides: Sequence[int],
    padding: Padding,
    dilation: Sequence[int],
    fill: float,
) -> np.ndarray:
    """Returns the window of each output, (N, out..., size..., C)."""
    sides = [side + sum(pair) for side, pair in zip(x.shape[1:-1], padding, strict=True)]
    if math.prod(sides) * math.prod(size) > MAX_ENTRIES:
        raise ValueError(f"windows of {list(size)} in {sides}: expected a smaller layer")
    padded = np.pad(x, [(0, 0), *padding, (0, 0)], constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(size, dilation, strict=True)]
    counts = [
        (side - r) // stride + 1
        for side, r, stride in zip(padded.shape[1:-1], reach, strides, strict=True)
    ]
    if min(counts) < 1:
        return np.empty((x.shape[0], *[0] * len(size), *size, x.shape[-1]))
    result = np.empty((x.shape[0], *counts, *size, x.shape[-1]), dtype=x.dtype)
    for place in itertools.product(*(range(k) for k in size)):
        rows = tuple(
            slice(p * d, p * d + (n - 1) * stride + 1, stride)
            for p, d, n, stride in zip(place, dilation, counts, strides, strict=True)
        )
        target: Any = (slice(None), *[slice(None)] * len(size), *place, slice(None))
        result[target] = padded[(slice(None), *rows, slice(None))]
    return result
