"""The keras.ops operations that compare and combine truth values.

A functional Keras model has them where it uses masks of sequences: Keras writes the masks that its
layers compute into the graph, such as x != 0.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch


def _reduced(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Returns a reduction over one axis, several axes, or all."""

    def reduce(x: torch.Tensor, axis: Any = None, keepdims: bool = False) -> torch.Tensor:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        return function(x, dim=tuple(axes), keepdim=keepdims)

    return reduce


def _like(fill: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def like(x: torch.Tensor, dtype: str | None = None) -> torch.Tensor:
        return fill(x, dtype=None if dtype is None else getattr(torch, dtype))

    return like


def _where(condition: torch.Tensor, x1: Any = None, x2: Any = None) -> torch.Tensor:
    return torch.where(condition.bool(), x1, x2)


def _comparison(compare: Callable[[Any, Any], torch.Tensor]) -> Callable[..., torch.Tensor]:
    """Returns a comparison, for which Keras rounds numbers to float32, in float64 runs too."""

    def rounded(x: Any) -> Any:
        return torch.tensor(x, dtype=torch.float32).item() if isinstance(x, float) else x

    return lambda x1, x2: compare(rounded(x1), rounded(x2))


# By Keras's class names.
TRUTH_VALUES: dict[str, Callable[..., torch.Tensor]] = {
    "Equal": _comparison(operator.eq),
    "NotEqual": _comparison(operator.ne),
    "Greater": _comparison(operator.gt),
    "GreaterEqual": _comparison(operator.ge),
    "Less": _comparison(operator.lt),
    "LessEqual": _comparison(operator.le),
    "LogicalAnd": torch.logical_and,
    "LogicalOr": torch.logical_or,
    "LogicalNot": torch.logical_not,
    "Any": _reduced(torch.any),
    "All": _reduced(torch.all),
    "OnesLike": _like(torch.ones_like),
    "ZerosLike": _like(torch.zeros_like),
    "Where": _where,
}
