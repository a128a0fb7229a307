"""clip: limits values to two bounds, with TensorFlow's gradient.

A value on a bound passes its gradient, like a value between the bounds. `torch.clamp` did so up to
torch 2.13, and has the gradient 0 there since 2.15. Values on a bound, such as labels of 0 and 1,
would then train differently.
"""

from __future__ import annotations

import torch


def clip(x: torch.Tensor, low: float | None = None, high: float | None = None) -> torch.Tensor:
    """Returns x, or the bound that x exceeds; NaN stays NaN.

    Source: TensorFlow `python/ops/clip_ops.py` (gradient of `clip_by_value`), `math_grad.py` (of
    `maximum` and `minimum`, whose gradient goes to x where both are equal).

    Args:
        x: floating-point tensor.
        low: lower bound, or None.
        high: upper bound, or None.
    """
    if low is not None:
        x = torch.where(x < low, low, x)
    return x if high is None else torch.where(x > high, high, x)
