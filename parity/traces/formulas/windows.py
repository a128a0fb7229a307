"""Convolutions and pools: what is computed in windows that move over an input."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from parity.traces.formulas.call import (
    Array,
    LayerCall,
    check_channels_last,
    over_samples,
    with_bias,
)

# A bundle says what is computed, so a window has limits: its places, and how much padding may add
# to an input.
MAX_PLACES, MAX_GROWTH, SMALL = 4_096, 16, 2**20


@dataclass(frozen=True)
class _Windows:
    """The windows of a convolution or of a pool over its input.

    Attributes:
        pads: entries before and after, for each axis of the input.
        places: each place of the window with the part of the padded input that lies under it.
    """

    pads: list[tuple[int, int]]
    places: list[tuple[tuple[int, ...], tuple[slice, ...]]]


def _windows(
    call: LayerCall, size: Sequence[int], strides: Sequence[int], dilation: Sequence[int]
) -> _Windows:
    check_channels_last(call)
    padding, sides = call.config["padding"], call.inputs[0].shape[1:-1]
    if not all(type(n) is int and n > 0 for n in (*size, *strides, *dilation)):
        raise ValueError("no sizes")
    if math.prod(size) > MAX_PLACES:
        raise ValueError("a large window")
    pads, made = [(0, 0)], []
    for side, k, stride, d in zip(sides, size, strides, dilation, strict=True):
        reach = (k - 1) * d + 1
        if padding == "same":
            made.append(-(-side // stride))
            total = max(0, (made[-1] - 1) * stride + reach - side)
            pads.append((total // 2, total - total // 2))
        else:
            before = reach - 1 if padding == "causal" else 0
            made.append((side + before - reach) // stride + 1)
            pads.append((before, 0))
    padded = math.prod(a + n + b for (a, b), n in zip(pads[1:], sides, strict=True))
    if tuple(made) != call.shape[1:-1] or min(made) < 1:
        raise ValueError("another shape")
    if padded * call.inputs[0].shape[0] * call.inputs[0].shape[-1] > max(
        SMALL, MAX_GROWTH * call.inputs[0].size
    ):
        raise ValueError("a window far larger than its input")
    places = [
        (
            place,
            (
                slice(None),
                *(
                    slice(p * d, p * d + (num - 1) * stride + 1, stride)
                    for p, d, num, stride in zip(place, dilation, made, strides, strict=True)
                ),
            ),
        )
        for place in np.ndindex(*size)
    ]
    return _Windows([*pads, (0, 0)], places)


def _of_conv(call: LayerCall) -> _Windows:
    rank = call.inputs[0].ndim - 2
    strides, dilation = (_each(call.config[n], rank) for n in ("strides", "dilation_rate"))
    return _windows(call, call.weights["kernel"].shape[:rank], strides, dilation)


def _of_pool(call: LayerCall) -> _Windows:
    rank = call.inputs[0].ndim - 2
    size = _each(call.config["pool_size"], rank)
    return _windows(call, size, _each(call.config["strides"] or size, rank), (1,) * rank)


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


def inner(padded: Array, pads: Sequence[tuple[int, int]]) -> Array:
    """Takes padding away."""
    return padded[tuple(slice(a, n - b) for (a, b), n in zip(pads, padded.shape, strict=True))]


def _groups(call: LayerCall) -> Iterator[tuple[slice, slice]]:
    """Yields the channels that go into each group, and those that come out."""
    kernel, num = call.weights["kernel"], call.config.get("groups", 1)
    taken, made = kernel.shape[-2], kernel.shape[-1] // num
    if taken * num != call.inputs[0].shape[-1] or made * num != call.shape[-1]:
        raise ValueError("other channels")
    for g in range(num):
        yield slice(g * taken, (g + 1) * taken), slice(g * made, (g + 1) * made)


def conv(call: LayerCall) -> Array:
    """Returns the output of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded, result = np.pad(call.inputs[0], windows.pads), np.zeros(call.shape)
    for place, part in windows.places:
        for taken, made in _groups(call):
            result[..., made] += padded[part][..., taken] @ kernel[place][:, made]
    return with_bias(call, result)


def conv_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded = np.pad(np.zeros(call.inputs[0].shape), windows.pads)
    for place, part in windows.places:
        for taken, made in _groups(call):
            padded[part][..., taken] += slope[..., made] @ kernel[place][:, made].T
    return [inner(padded, windows.pads)]


def conv_weights(call: LayerCall, output: Array, slope: Array) -> dict[str, Array]:
    """Returns the gradients by the weights of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded, result = np.pad(call.inputs[0], windows.pads), np.zeros(kernel.shape)
    for place, part in windows.places:
        for taken, made in _groups(call):
            x = padded[part][..., taken].reshape(-1, taken.stop - taken.start)
            result[place][:, made] = x.T @ slope[..., made].reshape(len(x), -1)
    return {"kernel": result, "bias": over_samples(slope)}


def depthwise(call: LayerCall) -> Array:
    """Returns the output of a depthwise convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    if math.prod(kernel.shape[-2:]) != call.shape[-1]:
        raise ValueError("other channels")
    padded = np.pad(call.inputs[0], windows.pads)
    result = np.zeros((*call.shape[:-1], *kernel.shape[-2:]))
    for place, part in windows.places:
        result += padded[part][..., None] * kernel[place]
    return with_bias(call, result.reshape(call.shape))


def depthwise_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a depthwise convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded = np.pad(np.zeros(call.inputs[0].shape), windows.pads)
    slope = slope.reshape(*slope.shape[:-1], *kernel.shape[-2:])
    for place, part in windows.places:
        padded[part] += (slope * kernel[place]).sum(-1)
    return [inner(padded, windows.pads)]


def max_pool(call: LayerCall) -> Array:
    """Returns the output of a max pool."""
    windows = _of_pool(call)
    padded = np.pad(call.inputs[0], windows.pads, constant_values=-np.inf)
    result = np.full(call.shape, -np.inf)
    for _, part in windows.places:
        np.maximum(result, padded[part], out=result)
    return result


def max_pool_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a max pool; the first of equal entries has all of it."""
    windows = _of_pool(call)
    padded = np.pad(call.inputs[0], windows.pads, constant_values=-np.inf)
    result, left = np.zeros(padded.shape), np.ones(output.shape, bool)
    for _, part in windows.places:
        is_first = left & (padded[part] == output)
        result[part] += np.where(is_first, slope, 0.0)
        left &= ~is_first
    return [inner(result, windows.pads)]


def _counts(call: LayerCall, windows: _Windows) -> Array:
    """Returns over how many entries each window of a pool averages."""
    ones = np.pad(np.ones((*call.inputs[0].shape[:-1], 1)), windows.pads)
    result = np.zeros((*call.shape[:-1], 1))
    for _, part in windows.places:
        result += ones[part]
    return result


def average_pool(call: LayerCall) -> Array:
    """Returns the output of an average pool."""
    windows = _of_pool(call)
    padded, result = np.pad(call.inputs[0], windows.pads), np.zeros(call.shape)
    for _, part in windows.places:
        result += padded[part]
    result /= _counts(call, windows)
    return result


def average_pool_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of an average pool."""
    windows = _of_pool(call)
    padded = np.pad(np.zeros(call.inputs[0].shape), windows.pads)
    each = slope / _counts(call, windows)
    for _, part in windows.places:
        padded[part] += each
    return [inner(padded, windows.pads)]


def global_average(call: LayerCall) -> Array:
    """Returns the output of a global average pool."""
    check_channels_last(call)
    x = call.inputs[0]
    return np.asarray(x.mean(tuple(range(1, x.ndim - 1))).reshape(call.shape))


def global_average_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a global average pool."""
    x = call.inputs[0]
    each = slope.reshape(len(x), *(1,) * (x.ndim - 2), x.shape[-1])
    return [np.broadcast_to(each / math.prod(x.shape[1:-1]), x.shape)]


def global_max(call: LayerCall) -> Array:
    """Returns the output of a global max pool."""
    check_channels_last(call)
    x = call.inputs[0]
    return np.asarray(x.max(tuple(range(1, x.ndim - 1))).reshape(call.shape))
