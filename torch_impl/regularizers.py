"""Regularisers by Keras's rules: each computes the penalty of a tensor.

`torch_impl.penalty` applies them to weights and outputs of a model. Source: keras 3.15
`regularizers/regularizers.py`.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from torch_impl.losses.reduction import normalize
from torch_impl.torch_names import named


class Regularizer(abc.ABC):
    """A penalty of a tensor.

    Torch has no regularisers. The `weight_decay` of its optimizers is different: it is not part of
    the loss, applies to biases too, and adds w times the decay to the gradient, as an l2 of half
    the decay would.

    Attributes:
        is_layout_free: whether the order of the axes does not matter to it.
    """

    is_layout_free = True

    @abc.abstractmethod
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the penalty of a tensor, a scalar of its dtype."""


class L1L2(Regularizer):
    """l1 * sum(|x|) + l2 * sum(x**2).

    Two traps:
    1. there is no factor 1/2 before the square;
    2. factors are rounded to float32, in float64 runs too (`tf.cast` of a Python float).

    Args:
        l1: factor, finite and at least 0.
        l2: factor, finite and at least 0.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1, self.l2 = rounded_factor("l1", l1), rounded_factor("l2", l2)  # (2)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the penalty; a factor of 0 costs nothing."""
        penalty = None
        if self.l1:
            penalty = self.l1 * x.abs().sum()
        if self.l2:
            square = self.l2 * x.square().sum()  # (1)
            penalty = square if penalty is None else penalty + square
        return x.new_zeros(()) if penalty is None else penalty

    def __repr__(self) -> str:
        return f"{type(self).__name__}(l1={self.l1}, l2={self.l2})"


class L1(L1L2):
    """l1 * sum(|x|), by default with 0.01."""

    def __init__(self, l1: float = 0.01) -> None:
        super().__init__(l1=l1)


class L2(L1L2):
    """l2 * sum(x**2), by default with 0.01."""

    def __init__(self, l2: float = 0.01) -> None:
        super().__init__(l2=l2)


class OrthogonalRegularizer(Regularizer):
    """factor * mean(|cosine|) over all pairs of rows, or of columns, of a matrix.

    Rows and columns are those of Keras's layout: a Dense kernel is (in, out), the transposed weight
    of torch.nn.Linear. The factor is rounded to float32. Keras itself raises an error for a float64
    matrix.

    Args:
        factor: finite and at least 0.
        mode: "rows" or "columns".
    """

    is_layout_free = False

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        if mode not in ("rows", "columns"):
            raise ValueError(f"mode={mode!r}: expected 'rows' or 'columns'")
        self.factor, self.mode = rounded_factor("factor", factor), mode

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the penalty of a matrix."""
        if x.ndim != 2:
            raise ValueError(f"x has shape {tuple(x.shape)}: expected a matrix")
        rows = normalize(x, 1) if self.mode == "rows" else normalize(x, 0).T
        size = len(rows)
        product = rows @ rows.T
        others = product * (1 - torch.eye(size, dtype=x.dtype, device=x.device))
        return self.factor * 0.5 * others.abs().sum() / (size * (size - 1.0) / 2.0)

    def __repr__(self) -> str:
        return f"OrthogonalRegularizer(factor={self.factor}, mode={self.mode!r})"


# By Keras's names; "l1_l2" is the name in its documentation.
REGULARIZERS: dict[str, type[Regularizer]] = {
    "L1": L1,
    "l1": L1,
    "L2": L2,
    "l2": L2,
    "L1L2": L1L2,
    "l1l2": L1L2,
    "l1_l2": L1L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def from_config(config: str | Mapping[str, Any] | Regularizer | None) -> Regularizer | None:
    """Returns the regulariser that Keras's configuration describes.

    Args:
        config: a name such as "l2", or a dictionary of `keras.regularizers.serialize`, with
            "class_name" and "config"; None, for a layer without a regulariser, gives None, and a
            regulariser gives itself.

    Raises:
        ValueError: there is no regulariser of that name here.
    """
    if config is None or isinstance(config, Regularizer):
        return config
    kind, settings = named(config, REGULARIZERS, "regularizer")
    return kind(**settings)


def rounded_factor(name: str, value: float) -> float:
    """Returns a factor rounded to float32; ValueError unless it is finite and at least 0."""
    if not isinstance(value, float | int) or not math.isfinite(value) or value < 0:
        raise ValueError(f"{name}={value!r}: expected a finite number of at least 0")
    return float(np.float32(value))
