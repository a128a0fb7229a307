"""Layers that number values, and layers that encode such numbers.

Source: keras 3.15 `layers/preprocessing/category_encoding.py`, `discretization.py`,
`integer_lookup.py`, `utils/numerical_utils.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

ENCODINGS = ("one_hot", "multi_hot", "count")


def encoded(
    x: torch.Tensor,
    depth: int,
    output_mode: str,
    dtype: torch.dtype,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Returns integers as Keras encodes them.

    Args:
        x: integers (N, ...), each in [0, depth).
        depth: number of categories, the length of the last axis of the result.
        output_mode: "one_hot" for a vector for each integer, "multi_hot" for whether a category
            occurs along axis 1, "count" for how often.
        dtype: of the result.
        weights: with which integers count, of the shape of x.
    """
    if output_mode == "one_hot" and x.ndim > 1 and x.shape[-1] == 1:
        x = x.squeeze(-1)
    hot = (x.long().unsqueeze(-1) == torch.arange(depth, device=x.device)).to(dtype)
    if output_mode == "one_hot":
        return hot
    axis = 1 if x.ndim > 1 else 0
    if output_mode == "multi_hot":
        return hot.amax(axis)
    return (hot if weights is None else hot * weights.to(dtype).unsqueeze(-1)).sum(
        axis, dtype=dtype
    )


class Encoding(nn.Module):
    """Base of layers that encode numbers: keeps the dtype of the result, as the module does.

    Args:
        output_mode: one of `modes`.
        modes: that the layer has.
        dtype: of the result.

    Raises:
        ValueError: it has no such mode.
    """

    like: torch.Tensor

    def __init__(self, output_mode: str, modes: Sequence[str], dtype: torch.dtype) -> None:
        super().__init__()
        if output_mode not in modes:
            raise ValueError(f"{output_mode=}: expected one of {tuple(modes)}")
        self.output_mode = output_mode
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)


class CategoryEncoding(Encoding):
    """Encodes integers by vectors of a fixed length; torch has `one_hot` only.

    Args:
        num_tokens: length of a vector.
        output_mode: "one_hot", "multi_hot" or "count": see `encoded`.
        dtype: of the result.
    """

    def __init__(
        self,
        num_tokens: int,
        output_mode: str = "multi_hot",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(output_mode, ENCODINGS, dtype)
        self.num_tokens = num_tokens

    def forward(self, x: torch.Tensor, count_weights: torch.Tensor | None = None) -> torch.Tensor:
        """Returns (N, num_tokens), or (N, ..., num_tokens) for "one_hot".

        Args:
            x: integers (N, ...) in [0, num_tokens).
            count_weights: of the shape of x, for "count".
        """
        return encoded(x, self.num_tokens, self.output_mode, self.like.dtype, count_weights)


class Discretization(Encoding):
    """Numbers the interval in which a value lies, from 0; a boundary belongs to the upper one.

    Args:
        bin_boundaries: in rising order; they are rounded to float32, as in Keras.
        output_mode: "int" for the number of the interval, int32, or a mode of `encoded`.
        dtype: of the result, unless that is a number.
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float],
        output_mode: str = "int",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(output_mode, ("int", *ENCODINGS), dtype)
        self.bin_boundaries = [float(value) for value in bin_boundaries]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the numbers, of the shape of x, or their encoding."""
        edges = torch.tensor(self.bin_boundaries, dtype=torch.float32, device=x.device)
        found = torch.bucketize(x.double().contiguous(), edges.double(), right=True)
        if self.output_mode == "int":
            return found.to(torch.int32)
        return encoded(found, len(self.bin_boundaries) + 1, self.output_mode, self.like.dtype)


class IntegerLookup(nn.Module):
    """Numbers integers by a vocabulary.

    A number is 0 for the mask token, if there is one; then come those of integers that are not in
    the vocabulary, and then those of the vocabulary in its order.

    Args:
        vocabulary: different integers.
        num_oov_indices: numbers for others, which get their rest by it; with 0 they are an error.
        mask_token: the integer of number 0; None: there is none.
        output_mode: "int", or a mode of `encoded`, which has no mask token.
        depth: length of an encoding; None: that of the vocabulary and the numbers for others.
    """

    keys: torch.Tensor
    numbers: torch.Tensor

    def __init__(
        self,
        vocabulary: Sequence[int],
        num_oov_indices: int = 1,
        mask_token: int | None = None,
        output_mode: str = "int",
        depth: int | None = None,
    ) -> None:
        super().__init__()
        if output_mode not in ("int", *ENCODINGS):
            raise ValueError(f"{output_mode=}: expected one of {('int', *ENCODINGS)}")
        if mask_token is not None and output_mode != "int":
            raise ValueError(f"{mask_token=} with {output_mode=}: expected None, or 'int'")
        if not vocabulary or len(set(vocabulary)) < len(vocabulary):
            raise ValueError(f"{vocabulary=}: expected different integers, at least one")
        self.num_oov_indices, self.mask_token = num_oov_indices, mask_token
        self.output_mode = output_mode
        self.start = int(mask_token is not None)
        self.depth = depth or len(vocabulary) + num_oov_indices
        keys, order = torch.tensor(list(vocabulary)).sort()
        self.register_buffer("keys", keys, persistent=False)
        numbers = order + self.start + num_oov_indices
        self.register_buffer("numbers", numbers, persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the numbers (int64), of the shape of x, or their encoding.

        Raises:
            ValueError: an integer is not in the vocabulary, and there is no number for it.
        """
        x = x.long().contiguous()
        places = torch.searchsorted(self.keys, x).clamp(max=len(self.keys) - 1)
        is_known = self.keys[places] == x
        if self.num_oov_indices:
            others = self.start + x.remainder(self.num_oov_indices)
        else:
            others = torch.full_like(x, -1)
        found = torch.where(is_known, self.numbers[places], others)
        if self.mask_token is not None:
            found = torch.where(x == self.mask_token, 0, found)
        if not self.num_oov_indices and bool((found < 0).any()):
            raise ValueError(
                f"{int(x[found < 0][0])} is not in the vocabulary: expected num_oov_indices of at "
                "least 1, or one of the vocabulary"
            )
        if self.output_mode == "int":
            return found
        return encoded(found, self.depth, self.output_mode, torch.int64)

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"vocabulary of {len(self.keys)}, num_oov_indices={self.num_oov_indices}"
