"""keras.activations, by Keras's definitions, on tensors of any layout.

At a kink, the derivative is TensorFlow's. Constants that Keras passes to TensorFlow as Python
numbers are rounded to float32, in float64 runs too.

Source: keras 3.15 `activations/activations.py`, `backend/tensorflow/nn.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from torch_impl.clip import clip
from torch_impl.losses import logits

Activation = Callable[[torch.Tensor], torch.Tensor]


def _rounded(value: float) -> float:
    """Returns a value rounded to float32."""
    return float(np.float32(value))


def linear(x: torch.Tensor) -> torch.Tensor:
    """Returns x."""
    return x


def relu(
    x: torch.Tensor,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> torch.Tensor:
    """Returns x above the threshold, limited to max_value, and a line below the threshold.

    max_value for x >= max_value, x for threshold < x < max_value, else
    negative_slope * (x - threshold).
    """
    if negative_slope != 0 and max_value is None and threshold == 0:
        return leaky_relu(x, negative_slope)
    below = F.relu(threshold - x) if negative_slope != 0 else None
    if threshold != 0:
        x = torch.where(x > _rounded(threshold), x, 0.0)
    elif max_value == 6:
        x = F.relu6(x)
    else:
        x = F.relu(x)
    if max_value is not None and (threshold != 0 or max_value != 6):
        x = clip(x, 0.0, _rounded(max_value))
    return x if below is None else x - negative_slope * below


def leaky_relu(x: torch.Tensor, negative_slope: float = 0.2) -> torch.Tensor:
    """Returns x, or x times a slope below zero: 0.2 here, 0.3 in the layer, 0.01 in torch."""
    return F.leaky_relu(x, _rounded(negative_slope))


def relu6(x: torch.Tensor) -> torch.Tensor:
    """Returns min(max(x, 0), 6)."""
    return F.relu6(x)


def elu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """Returns x, or alpha * (exp(x) - 1) below zero."""
    return F.elu(x, alpha)


def selu(x: torch.Tensor) -> torch.Tensor:
    """Returns the self-normalising elu (Klambauer et al. 2017); the slope at 0 is that above 0."""
    below = 1.6732632423543772848 * torch.expm1(clip(x, high=0.0))
    return 1.0507009873554804934 * torch.where(x >= 0, x, below)


def celu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """Returns max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1); both parts have slope 1 at 0."""
    return torch.where(x >= 0, x, 0.0) + alpha * torch.expm1(torch.where(x <= 0, x, 0.0) / alpha)


def gelu(x: torch.Tensor, approximate: bool = False) -> torch.Tensor:
    """Returns x times the normal distribution function, or its approximation with tanh."""
    if x.dtype != torch.float64:
        return F.gelu(x, approximate="tanh" if approximate else "none")
    if approximate:
        inner = 0.7978845608028654 * (x + _rounded(0.044715) * x**3)
        return 0.5 * x * (1.0 + torch.tanh(inner))
    return 0.5 * x * torch.erfc(-x * _rounded(0.7071067811865476))


def silu(x: torch.Tensor) -> torch.Tensor:
    """Returns x * sigmoid(x), also known as swish."""
    return F.silu(x)


def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns relu6(x + 3) / 6; in Keras 2 it was min(max(0.2 x + 0.5, 0), 1)."""
    return F.relu6(x + 3.0) / 6.0


def hard_silu(x: torch.Tensor) -> torch.Tensor:
    """Returns x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_tanh(x: torch.Tensor) -> torch.Tensor:
    """Returns x clipped to [-1, 1], with slope 1 on both borders."""
    return clip(x, -1.0, 1.0)


def hard_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Returns x where |x| > threshold, else 0."""
    return torch.where(x.abs() > threshold, x, 0.0)


def soft_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Returns x moved towards 0 by threshold, and 0 in between."""
    return torch.where(
        x > threshold, x - threshold, torch.where(x < -threshold, x + threshold, 0.0)
    )


def tanh_shrink(x: torch.Tensor) -> torch.Tensor:
    """Returns x - tanh(x)."""
    return x - torch.tanh(x)


def threshold(x: torch.Tensor, threshold: float, default_value: float) -> torch.Tensor:
    """Returns x above the threshold, else the default value."""
    return torch.where(x > threshold, x, default_value)


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns 1 / (1 + exp(-x)), which carries its logits to the loss, as Keras's does."""
    return logits.sigmoid(x)


def log_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns log(sigmoid(x))."""
    return F.logsigmoid(x)


def sparse_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns (x + 1) / 2 between -1 and 1, 0 below and 1 above."""
    return torch.where(x <= -1, 0.0, torch.where(x >= 1, 1.0, 0.5 * (x + 1)))


def tanh(x: torch.Tensor) -> torch.Tensor:
    """Returns the hyperbolic tangent."""
    return torch.tanh(x)


def softsign(x: torch.Tensor) -> torch.Tensor:
    """Returns x / (1 + |x|)."""
    return F.softsign(x)


def softplus(x: torch.Tensor) -> torch.Tensor:
    """Returns log(1 + exp(x)); torch's own returns x from 20 on, which is 2e-9 too small."""
    # From 40 on the difference is smaller than the rounding of float64.
    return F.softplus(x, threshold=40)


def squareplus(x: torch.Tensor, b: float = 4) -> torch.Tensor:
    """Returns (x + sqrt(x * x + b)) / 2."""
    return (x + torch.sqrt(x * x + b)) / 2


def sparse_plus(x: torch.Tensor) -> torch.Tensor:
    """Returns (x + 1)^2 / 4 between -1 and 1, 0 below and x above."""
    return torch.where(x <= -1, 0.0, torch.where(x < 1, 0.25 * (x + 1).square(), x))


def mish(x: torch.Tensor) -> torch.Tensor:
    """Returns x * tanh(softplus(x))."""
    return x * torch.tanh(softplus(x))


def exponential(x: torch.Tensor) -> torch.Tensor:
    """Returns exp(x)."""
    return torch.exp(x)


def softmax(x: torch.Tensor, axis: logits.Axis = -1) -> torch.Tensor:
    """Returns exp(x) over its sum along an axis of x; -1 is the last axis in any layout.

    Several axes are taken together, None means all. It carries its logits to the loss, as Keras's
    does.
    """
    return logits.softmax(x, axis)


def log_softmax(x: torch.Tensor, axis: logits.Axis = -1) -> torch.Tensor:
    """Returns log(softmax(x)), along one axis, several, or all."""
    return logits.over_axes(torch.log_softmax, x, axis)


def sparsemax(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Returns the projection of x onto the simplex (Martins & Astudillo 2016)."""
    ordered = x.sort(dim=axis, descending=True).values
    sums = ordered.cumsum(axis)
    shape = [-1 if number == axis % x.ndim else 1 for number in range(x.ndim)]
    counts = torch.arange(1, x.shape[axis] + 1, dtype=x.dtype, device=x.device).reshape(shape)
    support = ordered - (sums - 1) / counts > 0
    num_positive = support.sum(axis, keepdim=True).to(x.dtype)
    total = torch.where(support, sums, 0.0).sum(axis, keepdim=True)
    # Keras adds all cumulative sums of the support here, instead of taking the last one.
    distance = x - (total - 1) / num_positive
    return torch.where(distance >= 0, distance, 0.0)


def glu(x: torch.Tensor, axis: int = -1) -> torch.Tensor:
    """Returns the first half along an axis times the sigmoid of the second."""
    return F.glu(x, axis)


ACTIVATIONS: dict[str, Callable[..., torch.Tensor]] = {
    function.__name__: function
    for function in (
        *(linear, relu, leaky_relu, relu6, elu, selu, celu, gelu, silu),
        *(hard_sigmoid, hard_silu, hard_tanh, hard_shrink, soft_shrink, tanh_shrink, threshold),
        *(sigmoid, log_sigmoid, sparse_sigmoid, tanh, softsign, softplus, squareplus, sparse_plus),
        *(mish, exponential, softmax, log_softmax, sparsemax, glu),
    )
} | {"swish": silu, "hard_swish": hard_silu}


def activation(name: str | None, **settings: Any) -> Activation:
    """Returns a Keras activation by its name, with the given settings.

    Raises:
        ValueError: Keras has no such activation.
    """
    if name is None:
        return linear
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name!r}: expected one of {sorted(ACTIVATIONS)}")
    function = ACTIVATIONS[name]
    return partial(function, **settings) if settings else function
