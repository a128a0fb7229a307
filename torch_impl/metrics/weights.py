"""Sample weights by Keras's rules: from values of any rank to one value and one weight a sample.

Source: keras 3.15 `metrics/reduction_metrics.py` (`reduce_to_samplewise_values`).
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from torch_impl.losses.reduction import merge_weights, same_rank

# Reduces a tensor over some of its axes, as torch.sum and torch.mean do.
Reduce = Callable[[torch.Tensor, list[int]], torch.Tensor]


def samplewise(
    values: torch.Tensor,
    sample_weight: torch.Tensor | None,
    mask: torch.Tensor | None,
    reduce: Reduce,
    dtype: torch.dtype,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Returns weighted values and weights, each reduced to one number a sample.

    Axes that the weights lack are reduced before the weights multiply. Other axes but the first are
    reduced afterwards, of the weights as well. A weight without axes reduces all axes of the
    values, and so counts as one sample.

    Args:
        values: (N, ...), or a scalar.
        sample_weight: (), (N,), (N, 1), or with more axes of the values.
        mask: true where a value counts; it counts only if there are sample weights, as in Keras.
        reduce: torch.mean or torch.sum.
        dtype: of the results.

    Returns:
        Values, (N,) or a scalar; weights in the same shape, None if there are none.

    Raises:
        ValueError: the weights cannot be broadcast to the values.
    """
    values = values.to(dtype)
    weight = None
    if sample_weight is not None:
        weight = merge_weights(sample_weight, mask, dtype, "sum")
    if weight is not None:
        values, weight = same_rank(values, weight)
        num_axes = weight.ndim
        values = _reduced(values, num_axes, reduce)
        weight = broadcast_weight(weight, values.shape)
        values = values * weight
        weight = _reduced(weight, 1, reduce) if num_axes > 1 else weight
    return _reduced(values, 1, reduce), weight


def broadcast_weight(weight: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Returns weights in a shape, or raises a ValueError that names both shapes."""
    try:
        return weight.broadcast_to(shape)
    except RuntimeError as error:
        raise ValueError(
            f"sample_weight has shape {tuple(weight.shape)}: expected a shape that broadcasts to "
            f"{tuple(shape)}, such as one weight a sample"
        ) from error


def _reduced(x: torch.Tensor, first: int, reduce: Reduce) -> torch.Tensor:
    """Reduces all axes from `first` on."""
    return reduce(x, list(range(first, x.ndim))) if x.ndim > first else x
