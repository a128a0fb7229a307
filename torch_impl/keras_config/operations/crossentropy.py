"""Crossentropies of keras.ops, which losses of a user's own call: targets come first."""

from __future__ import annotations

import torch

from torch_impl import losses
from torch_impl.keras_config.operations.arguments import Function
from torch_impl.losses.crossentropy import binary_crossentropy


def _binary(target: torch.Tensor, output: torch.Tensor, from_logits: bool = False) -> torch.Tensor:
    return binary_crossentropy(output, target, from_logits)


def _categorical(
    target: torch.Tensor, output: torch.Tensor, from_logits: bool = False, axis: int = -1
) -> torch.Tensor:
    return losses.CategoricalCrossentropy(from_logits, axis=axis).values(output, target)


def _sparse(
    target: torch.Tensor, output: torch.Tensor, from_logits: bool = False, axis: int = -1
) -> torch.Tensor:
    if axis not in (-1, output.ndim - 1):
        raise ValueError(f"{axis=}: expected the last one")
    return losses.SparseCategoricalCrossentropy(from_logits).values(output, target.long())


ROWS: dict[str, Function] = {
    "BinaryCrossentropy": _binary,
    "CategoricalCrossentropy": _categorical,
    "SparseCategoricalCrossentropy": _sparse,
}
