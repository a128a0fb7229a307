"""Initial weights, penalties and constraints by Keras's rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import nn

Constraint = Callable[[torch.Tensor], torch.Tensor]


def scaled_normal_(weight: torch.Tensor, variance: float) -> None:
    """Draws normal numbers of a variance, cut off at two deviations.

    Keras's variance is scale / fan, of the inputs of a unit, or of half of its inputs
    and outputs.
    """
    stddev = variance**0.5 / 0.87962566103423978  # of what is left behind the cut
    nn.init.trunc_normal_(weight, 0.0, stddev, -2 * stddev, 2 * stddev)


def scaled_uniform_(weight: torch.Tensor, variance: float) -> None:
    """Draws uniform numbers of a variance around 0.

    Of Glorot it is 2 / (inputs + outputs), as Keras counts them.
    """
    limit = (3 * variance) ** 0.5
    nn.init.uniform_(weight, -limit, limit)


def truncated_normal_(
    weight: torch.Tensor, mean: float = 0.0, stddev: float = 0.05
) -> None:
    """Draws normal numbers that are less than two deviations from the mean."""
    low, high = mean - 2 * stddev, mean + 2 * stddev
    nn.init.trunc_normal_(weight, mean, stddev, low, high)


def forget_ones_(bias: torch.Tensor) -> None:
    """Sets the bias of an LSTM to 0, and to 1 for the gate that forgets."""
    nn.init.zeros_(bias)
    units = len(bias) // 4
    nn.init.ones_(bias[units : 2 * units])


def l1(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Returns factor * sum(|w|), with a factor in float32."""
    return lambda weight: float(np.float32(factor)) * weight.abs().sum()


def l2(factor: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Returns factor * sum(w**2), with a factor in float32 and no half."""
    return lambda weight: float(np.float32(factor)) * weight.square().sum()


def l1_l2(of_sizes: float, of_squares: float) -> Callable[[torch.Tensor], torch.Tensor]:
    """Returns the sum of both penalties."""
    first, second = l1(of_sizes), l2(of_squares)
    return lambda weight: first(weight) + second(weight)


def constrain(
    optimizer: torch.optim.Optimizer, pairs: Sequence[tuple[nn.Parameter, Constraint]]
) -> None:
    """Replaces weights after each step by what their constraints make of them."""

    @torch.no_grad()
    def replace(*_: object) -> None:
        for weight, constraint in pairs:
            weight.copy_(constraint(weight))

    optimizer.register_step_post_hook(replace)


def max_norm(limit: float, axes: Sequence[int]) -> Constraint:
    """Returns w / (1e-7 + norm) * min(norm, limit), with norms over some axes."""
    return min_max_norm(0.0, limit, 1.0, axes)


def min_max_norm(
    low: float, high: float, share: float, axes: Sequence[int]
) -> Constraint:
    """Returns what brings norms into a range, or a share of the way to it."""

    def constraint(w: torch.Tensor) -> torch.Tensor:
        norm = w.square().sum(tuple(axes), keepdim=True).sqrt()
        wanted = share * norm.clamp(low, high) + (1 - share) * norm
        return w * (wanted / (1e-7 + norm))

    return constraint


def unit_norm(axes: Sequence[int]) -> Constraint:
    """Returns w / (1e-7 + norm), with norms over some axes."""
    return lambda w: w / (1e-7 + w.square().sum(tuple(axes), keepdim=True).sqrt())


def non_negative(w: torch.Tensor) -> torch.Tensor:
    """Returns max(w, 0)."""
    return w.clamp(min=0)
