"""What layers of Keras compute, in NumPy: predictions of the arrays of a trace."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# --- One call of a layer, as its formulas see it: the batch first, channels last ------------------


Array = np.ndarray


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer.

    Attributes:
        kind: a word of `parity/halves/keras/kinds.py`.
        config: settings of the layer. Those of a bundle may be anything, and what a formula then
            raises means that there is no prediction.
        inputs: what it was given.
        shape: of its output.
        weights: by the last part of their name: "kernel", "bias".
        is_training: whether it was called in train mode.
        mask: what a dropout keeps.
    """

    kind: str
    config: Mapping[str, Any]
    inputs: Sequence[Array]
    shape: tuple[int, ...]
    weights: Mapping[str, Array]
    is_training: bool
    mask: Array | None = None


def check_channels_last(call: LayerCall) -> None:
    """Raises a ValueError if a layer has its channels first."""
    if call.config.get("data_format", "channels_last") != "channels_last":
        raise ValueError("channels first")


def with_bias(call: LayerCall, value: Array) -> Array:
    """Adds the bias of a layer, if it has one."""
    bias = call.weights.get("bias")
    if bias is None:
        return value
    if bias.shape != value.shape[-1:]:
        raise ValueError("another bias")
    return np.asarray(value + bias)


def over_samples(array: Array) -> Array:
    """Returns the sum over all axes but the last."""
    total: Array = array.reshape(-1, array.shape[-1]).sum(0)
    return total


# --- Convolutions and pools: what is computed in windows that move over an input ------------------


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
    num_in, made = kernel.shape[-2], kernel.shape[-1] // num
    if num_in * num != call.inputs[0].shape[-1] or made * num != call.shape[-1]:
        raise ValueError("other channels")
    for g in range(num):
        yield slice(g * num_in, (g + 1) * num_in), slice(g * made, (g + 1) * made)


def conv(call: LayerCall) -> Array:
    """Returns the output of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded, result = np.pad(call.inputs[0], windows.pads), np.zeros(call.shape)
    for place, part in windows.places:
        for channels, made in _groups(call):
            result[..., made] += padded[part][..., channels] @ kernel[place][:, made]
    return with_bias(call, result)


def conv_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded = np.pad(np.zeros(call.inputs[0].shape), windows.pads)
    for place, part in windows.places:
        for channels, made in _groups(call):
            padded[part][..., channels] += slope[..., made] @ kernel[place][:, made].T
    return [inner(padded, windows.pads)]


def conv_weights(call: LayerCall, output: Array, slope: Array) -> dict[str, Array]:
    """Returns the gradients by the weights of a convolution."""
    windows, kernel = _of_conv(call), call.weights["kernel"]
    padded, result = np.pad(call.inputs[0], windows.pads), np.zeros(kernel.shape)
    for place, part in windows.places:
        for channels, made in _groups(call):
            x = padded[part][..., channels].reshape(-1, channels.stop - channels.start)
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


# --- Dense layers, normalisation, activations, and what moves numbers or combines arrays ----------


def dense(call: LayerCall) -> Array:
    """Returns the output of a dense layer."""
    _check_dense(call)
    return with_bias(call, call.inputs[0] @ call.weights["kernel"])


def _check_dense(call: LayerCall) -> None:
    x, kernel = call.inputs[0], call.weights["kernel"]
    if kernel.shape != (x.shape[-1], call.shape[-1]) or x.shape[:-1] != call.shape[:-1]:
        raise ValueError("another shape")


def dense_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a dense layer."""
    _check_dense(call)
    return [slope @ call.weights["kernel"].T]


def dense_weights(call: LayerCall, output: Array, slope: Array) -> dict[str, Array]:
    """Returns the gradients by the weights of a dense layer."""
    _check_dense(call)
    x = call.inputs[0].reshape(-1, call.inputs[0].shape[-1])
    kernel = x.T @ slope.reshape(len(x), -1)
    return {"kernel": kernel, "bias": over_samples(slope)}


def _moments(call: LayerCall) -> tuple[Array, Array]:
    """Returns mean and variance by channel, as a batch normalisation takes them."""
    x = call.inputs[0]
    if call.config["axis"] not in (-1, x.ndim - 1):
        raise ValueError("another axis")
    if any(weight.shape != x.shape[-1:] for weight in call.weights.values()):
        raise ValueError("other weights")
    if not call.is_training:
        return call.weights["moving_mean"], call.weights["moving_variance"]
    axes = tuple(range(x.ndim - 1))
    mean = x.mean(axes)
    return mean, ((x - mean) ** 2).mean(axes)


def _factor(call: LayerCall, variance: Array) -> Array:
    found = 1 / np.sqrt(variance + call.config["epsilon"])
    return np.asarray(found * call.weights.get("gamma", np.ones(())))


def batch_norm(call: LayerCall) -> Array:
    """Returns the output of a batch normalisation, rounded as TensorFlow does it."""
    mean, variance = _moments(call)
    factor = _factor(call, variance)
    offset = call.weights.get("beta", np.zeros(())) - mean * factor
    return np.asarray(call.inputs[0] * factor + offset)


def batch_norm_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a batch normalisation in train mode."""
    mean, variance = _moments(call)
    axes = tuple(range(slope.ndim - 1))
    centred = call.inputs[0] - mean
    along = (slope * centred).mean(axes) / (variance + call.config["epsilon"])
    return [_factor(call, variance) * (slope - slope.mean(axes) - centred * along)]


def batch_norm_weights(call: LayerCall, output: Array, slope: Array) -> dict[str, Array]:
    """Returns the gradients by the weights of a batch normalisation."""
    mean, variance = _moments(call)
    scaled = (call.inputs[0] - mean) / np.sqrt(variance + call.config["epsilon"])
    return {"gamma": over_samples(slope * scaled), "beta": over_samples(slope)}


def sigmoid(x: Array) -> Array:
    """Returns the logistic function."""
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: Array) -> Array:
    """Returns the softmax over the last axis."""
    risen = np.exp(x - x.max(-1, keepdims=True))
    return np.asarray(risen / risen.sum(-1, keepdims=True))


def leak(call: LayerCall) -> float:
    """Returns the slope of a leaky ReLU, which TensorFlow rounds to float32."""
    return float(np.float32(call.config.get("negative_slope", 0.2)))


def of_input(function: Callable[[Array], Array]) -> Callable[[LayerCall], Array]:
    """Returns the formula of a function of the only input."""
    return lambda call: function(call.inputs[0])


def silu_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of x * sigmoid(x)."""
    s = sigmoid(call.inputs[0])
    return [slope * s * (1 + call.inputs[0] * (1 - s))]


def dropout(call: LayerCall) -> Array:
    """Returns the output of a dropout."""
    return dropped(call, call.inputs[0]) if call.is_training else call.inputs[0]


def dropped(call: LayerCall, value: Array) -> Array:
    """Returns what a dropout makes of its input in train mode, or of a gradient."""
    if call.mask is None:
        return value
    if call.mask.shape != value.shape:
        raise ValueError("another mask")
    return np.where(call.mask, value * (1 / (1 - call.config["rate"])), 0.0)


def zero_padding(call: LayerCall) -> Array:
    """Returns the output of a zero padding."""
    return np.pad(call.inputs[0], _pads(call))


def zero_padding_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient by the input of a zero padding."""
    return [inner(slope, _pads(call))]


def _pads(call: LayerCall) -> list[tuple[int, int]]:
    check_channels_last(call)
    given = call.config["padding"]
    sides = [given] if isinstance(given[0], int) else given
    pads = [(0, 0), *((int(a), int(b)) for a, b in sides), (0, 0)]
    padded = [a + n + b for (a, b), n in zip(pads, call.inputs[0].shape, strict=True)]
    if tuple(padded) != call.shape:
        raise ValueError("another shape")
    return pads


def reshaped(call: LayerCall) -> Array:
    """Returns the input in the shape of the output."""
    return call.inputs[0].reshape(call.shape)


def reshaped_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient in the shape of the input."""
    return [slope.reshape(call.inputs[0].shape)]


def added(call: LayerCall) -> Array:
    """Returns the sum of the inputs."""
    _check_broadcast(call)
    return np.asarray(sum(call.inputs[1:], call.inputs[0]))


def _check_broadcast(call: LayerCall) -> None:
    if np.broadcast_shapes(*(x.shape for x in call.inputs)) != call.shape:
        raise ValueError("another shape")


def added_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradient for each input that has the shape of the sum."""
    return [slope if x.shape == slope.shape else None for x in call.inputs]


def multiplied(call: LayerCall) -> Array:
    """Returns the product of two inputs."""
    _check_broadcast(call)
    first, second = call.inputs
    return np.asarray(first * second)


def multiplied_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the gradients by two inputs of the same shape."""
    first, second = call.inputs
    return [slope * second, slope * first] if first.shape == second.shape else [None, None]


def concatenated(call: LayerCall) -> Array:
    """Returns the inputs side by side."""
    return np.concatenate(call.inputs, axis=-1)


def concatenated_back(call: LayerCall, output: Array, slope: Array) -> list[Array | None]:
    """Returns the part of the gradient for each input."""
    return list(np.split(slope, np.cumsum([x.shape[-1] for x in call.inputs])[:-1], axis=-1))


# --- The formula of each kind of layer: its output, and its gradients -----------------------------


Forward = Callable[[LayerCall], Array]
Back = Callable[[LayerCall, Array, Array], list[Array | None]]
OfWeights = Callable[[LayerCall, Array, Array], dict[str, Array]]

OUTPUT: dict[str, Forward] = {
    "conv": conv,
    "depthwise_conv": depthwise,
    "dense": dense,
    "batch_norm": batch_norm,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "global_average_pool": global_average,
    "global_max_pool": global_max,
    "activation:relu": of_input(lambda x: np.maximum(x, 0.0)),
    "activation:relu6": of_input(lambda x: np.clip(x, 0.0, 6.0)),
    "activation:leaky_relu": lambda c: np.where(
        c.inputs[0] > 0, c.inputs[0], c.inputs[0] * leak(c)
    ),
    "activation:elu": of_input(lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0.0)))),
    "activation:sigmoid": of_input(sigmoid),
    "activation:silu": of_input(lambda x: x * sigmoid(x)),
    "activation:tanh": of_input(np.tanh),
    "activation:softmax": of_input(softmax),
    "flatten": reshaped,
    "reshape": reshaped,
    "dropout": dropout,
    "zero_padding": zero_padding,
    "add": added,
    "multiply": multiplied,
    "concatenate": concatenated,
}
# The gradient by each input, from output and the gradient by it; None where it is not known.
BACK: dict[str, Back] = {
    "conv": conv_back,
    "depthwise_conv": depthwise_back,
    "dense": dense_back,
    "batch_norm": batch_norm_back,
    "max_pool": max_pool_back,
    "average_pool": average_pool_back,
    "global_average_pool": global_average_back,
    "activation:relu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, 0.0)],
    "activation:relu6": lambda c, y, g: [np.where((y > 0) & (y < 6), g, 0.0)],
    "activation:leaky_relu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, g * leak(c))],
    "activation:elu": lambda c, y, g: [np.where(c.inputs[0] > 0, g, g * (y + 1))],
    "activation:sigmoid": lambda c, y, g: [g * y * (1 - y)],
    "activation:silu": silu_back,
    "activation:tanh": lambda c, y, g: [g * (1 - y * y)],
    "activation:softmax": lambda c, y, g: [y * (g - (g * y).sum(-1, keepdims=True))],
    "flatten": reshaped_back,
    "reshape": reshaped_back,
    "dropout": lambda c, y, g: [dropped(c, g)],
    "zero_padding": zero_padding_back,
    "add": added_back,
    "multiply": multiplied_back,
    "concatenate": concatenated_back,
}
# The gradients by the weights, by the last part of their names.
WEIGHTS: dict[str, OfWeights] = {
    "conv": conv_weights,
    "dense": dense_weights,
    "batch_norm": batch_norm_weights,
}
