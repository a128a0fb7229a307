"""Layers that rescale values, and embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn


class Rescaling(nn.Module):
    """x * scale + offset.

    Source: keras 3.15 `layers/preprocessing/rescaling.py`.

    Args:
        scale: a number, or one for each entry of the last axis. Keras rounds scale and offset to
            float32 first, in float64 runs too.
        offset: the same.
    """

    def __init__(
        self, scale: float | Sequence[float], offset: float | Sequence[float] = 0.0
    ) -> None:
        super().__init__()
        self.scale, self.offset = scale, offset

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a floating tensor of the shape of x."""
        if not x.is_floating_point():
            x = x.to(torch.get_default_dtype())
        scale, offset = (
            torch.tensor(value, dtype=torch.float32, device=x.device).to(x.dtype)
            for value in (self.scale, self.offset)
        )
        return x * scale + offset

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"{self.scale}, {self.offset}"


class Normalization(nn.Module):
    """(x - mean) / max(sqrt(variance), 1e-7), along some axes of the input.

    Source: keras 3.15 `layers/preprocessing/normalization.py`.

    Args:
        shape: lengths of the axes that have their own mean and variance, in rising order.
        axis: these axes.
        mean: for each of their entries; if None, 0 until weights are set.
        variance: for each of their entries; if None, 1 until weights are set.
        invert: whether to compute x * max(sqrt(variance), 1e-7) + mean instead.
    """

    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(
        self,
        shape: Sequence[int],
        axis: int | Sequence[int] = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
    ) -> None:
        super().__init__()
        self.axis = (axis,) if isinstance(axis, int) else tuple(axis)
        self.invert = invert
        for name, value, default in (("mean", mean, 0.0), ("variance", variance, 1.0)):
            values = torch.tensor(default if value is None else value, dtype=torch.float32)
            self.register_buffer(name, values.expand(tuple(shape)).clone())
        # The number of data that Keras has seen, which is a weight there.
        self.register_buffer("count", torch.tensor(0) if mean is None else None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the shape of x."""
        kept = {axis % x.ndim for axis in self.axis}
        shape = [size if axis in kept else 1 for axis, size in enumerate(x.shape)]
        mean, variance = (
            values.to(x.dtype).reshape(shape) for values in (self.mean, self.variance)
        )
        deviation = torch.sqrt(variance).clamp(min=1e-7)
        return x * deviation + mean if self.invert else (x - mean) / deviation


class Embedding(nn.Embedding):
    """A row of a table for each integer.

    Differs from torch.nn.Embedding in:
    1. the integers may be in a floating-point tensor.

    Source: keras 3.15 `layers/core/embedding.py`.

    Args:
        input_dim: number of rows.
        output_dim: length of a row.
        mask_zero: whether 0 stands for no token: `compute_mask` then says where tokens are. Row 0
            is one like the others, and is trained, unlike that of torch's `padding_idx`.
        **options: device and dtype of the weights.
    """

    def __init__(
        self, input_dim: int, output_dim: int, mask_zero: bool = False, **options: Any
    ) -> None:
        super().__init__(input_dim, output_dim, **options)
        self.mask_zero = mask_zero

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (*shape of x, output_dim)."""
        return super().forward(x.long())  # (1)

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor | None:
        """Returns where the integers are not 0, in their shape; None without `mask_zero`."""
        return inputs != 0 if self.mask_zero else None


class ReversibleEmbedding(Embedding):
    """An embedding that also leads back, from its vectors to a score for each row.

    Torch has no such layer. Source: keras 3.15 `layers/core/reversible_embedding.py`.

    Args:
        input_dim: number of rows.
        output_dim: length of a row.
        tie_weights: whether the way back is the transposed table; else it has weights of its own.
        reverse_dtype: in which the way back is computed; None: that of its input.
        logit_soft_cap: if it is given, scores are cap * tanh(score / cap).
        mask_zero: see `Embedding`; what is led back has no mask.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        tie_weights: bool = True,
        reverse_dtype: torch.dtype | None = None,
        logit_soft_cap: float | None = None,
        mask_zero: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(input_dim, output_dim, mask_zero, **options)
        self._was_reversed = False
        self.reverse_dtype, self.logit_soft_cap = reverse_dtype, logit_soft_cap
        drawn = None if tie_weights else torch.randn(output_dim, input_dim, **options)
        self.reverse_weight = None if drawn is None else nn.Parameter(drawn)

    def forward(self, x: torch.Tensor, reverse: bool = False) -> torch.Tensor:
        """Returns (*shape of x, output_dim), or in reverse (*other axes of x, input_dim)."""
        self._was_reversed = reverse
        if not reverse:
            return super().forward(x)
        kernel = self.weight.T if self.reverse_weight is None else self.reverse_weight
        if self.reverse_dtype is not None:
            x, kernel = x.to(self.reverse_dtype), kernel.to(self.reverse_dtype)
        scores = x @ kernel
        cap = self.logit_soft_cap
        return scores if cap is None else torch.tanh(scores / cap) * cap

    def compute_mask(self, inputs: torch.Tensor, mask: Any = None) -> torch.Tensor | None:
        """Returns the mask of the output of the last call."""
        return None if self._was_reversed else super().compute_mask(inputs, mask)
