"""Dense layers, normalisation, activations, and what moves numbers or combines arrays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from parity.traces.formulas.call import (
    Array,
    LayerCall,
    check_channels_last,
    over_samples,
    with_bias,
)
from parity.traces.formulas.windows import inner


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
