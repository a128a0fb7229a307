"""clip: values between two bounds, with the gradient that TensorFlow gives.

A value that lies on a bound passes its gradient, as inside of them. `torch.clamp` has done so up to
torch 2.13, and lets none pass there since 2.15; what is on a bound, as labels of 0 and 1 are, would
train otherwise.
"""

from __future__ import annotations

import torch


def clip(x: torch.Tensor, low: float | None = None, high: float | None = None) -> torch.Tensor:
    """Returns x, or the bound beyond which it lies; NaN stays NaN.

    Source: TensorFlow `python/ops/clip_ops.py` (gradient of `clip_by_value`), `math_grad.py` (of
    `maximum` and `minimum`, whose gradient goes to x where both are equal).

    Args:
        x: of floats.
        low: lower bound, or None.
        high: upper bound, or None.
    """
    if low is not None:
        x = torch.where(x < low, low, x)
    return x if high is None else torch.where(x > high, high, x)
