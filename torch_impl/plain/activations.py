"""Keras's activations that torch lacks, or computes with other constants."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F


def softmax(x: torch.Tensor, axis: int | tuple[int, ...] | None = -1) -> torch.Tensor:
    """Returns the softmax, which tells the loss its logits, as Keras's does.

    Axis None means all. Of logits the loss is exact; log(softmax) is cut off at 1e-7.
    """
    if isinstance(axis, int):
        y = torch.softmax(x, axis)
    else:
        axes = tuple(range(x.ndim)) if axis is None else axis
        y = torch.exp(x - torch.logsumexp(x, axes, keepdim=True))
    y._keras_logits = x  # type: ignore[attr-defined]
    return y


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns the sigmoid, which tells the loss its logits, as Keras's does."""
    y = torch.sigmoid(x)
    y._keras_logits = x  # type: ignore[attr-defined]
    return y


def relu(
    x: torch.Tensor,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> torch.Tensor:
    """Returns x above a threshold and up to a greatest value, and a line below."""
    below = negative_slope * F.relu(threshold - x)
    y = F.relu(x) if threshold == 0 else torch.where(x > threshold, x, 0.0)
    if max_value is not None:
        y = torch.where(y > max_value, max_value, y)
    return y - below if negative_slope else y


def leaky_relu(x: torch.Tensor, negative_slope: float = 0.2) -> torch.Tensor:
    """Returns x, or x times a slope below zero, which Keras rounds to float32."""
    return F.leaky_relu(x, float(np.float32(negative_slope)))


def gelu(x: torch.Tensor, approximate: bool = False) -> torch.Tensor:
    """Returns F.gelu(x); Keras rounds a constant to float32, which float64 shows."""
    if x.dtype != torch.float64:
        return F.gelu(x, approximate="tanh" if approximate else "none")
    if approximate:
        inner = 0.7978845608028654 * (x + float(np.float32(0.044715)) * x**3)
        return 0.5 * x * (1.0 + torch.tanh(inner))
    return 0.5 * x * torch.erfc(-x * float(np.float32(0.5**0.5)))


def selu(x: torch.Tensor) -> torch.Tensor:
    """Returns F.selu(x), whose slope at 0 is that above 0."""
    below = 1.6732632423543772 * torch.expm1(torch.where(x > 0, 0.0, x))
    return 1.0507009873554805 * torch.where(x >= 0, x, below)


def softplus(x: torch.Tensor) -> torch.Tensor:
    """Returns log(1 + exp(x)); F.softplus(x) is x from 20 on."""
    return F.softplus(x, threshold=40)


def hard_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns relu6(x + 3) / 6."""
    return F.relu6(x + 3) / 6


def hard_silu(x: torch.Tensor) -> torch.Tensor:
    """Returns x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_swish(x: torch.Tensor) -> torch.Tensor:
    """Returns x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x)


def hard_tanh(x: torch.Tensor) -> torch.Tensor:
    """Returns x between -1 and 1, whose slope is 1 on the borders, too."""
    x = torch.where(x < -1, -1.0, x)
    return torch.where(x > 1, 1.0, x)


def mish(x: torch.Tensor) -> torch.Tensor:
    """Returns x * tanh(softplus(x)); F.mish has torch's softplus."""
    return x * torch.tanh(F.softplus(x, threshold=40))


def elu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """Returns x, or alpha * (exp(x) - 1) below zero."""
    return F.elu(x, alpha)


def celu(x: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """Returns F.celu(x, alpha), both of whose parts have a slope of 1 at 0."""
    below = alpha * torch.expm1(torch.where(x <= 0, x, 0.0) / alpha)
    return torch.where(x >= 0, x, 0.0) + below


def sparse_sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Returns (x + 1) / 2 between -1 and 1, 0 below and 1 above."""
    return torch.where(x <= -1, 0.0, torch.where(x >= 1, 1.0, 0.5 * (x + 1)))


def squareplus(x: torch.Tensor, b: float = 4) -> torch.Tensor:
    """Returns (x + sqrt(x * x + b)) / 2."""
    return (x + torch.sqrt(x * x + b)) / 2


def tanh_shrink(x: torch.Tensor) -> torch.Tensor:
    """Returns x - tanh(x)."""
    return x - torch.tanh(x)


def hard_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Returns x where it is away from zero, else 0."""
    return torch.where(x.abs() > threshold, x, 0.0)


def soft_shrink(x: torch.Tensor, threshold: float = 0.5) -> torch.Tensor:
    """Returns x, nearer to zero by a threshold."""
    below = torch.where(x < -threshold, x + threshold, 0.0)
    return torch.where(x > threshold, x - threshold, below)
