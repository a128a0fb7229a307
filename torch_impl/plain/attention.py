"""Attention of several heads, with Keras's projections."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class EinsumDense(nn.Module):
    """A linear layer over the axes that an equation names."""

    def __init__(
        self,
        equation: str,
        kernel_shape: tuple[int, ...],
        bias_shape: tuple[int, ...] | None = None,
    ) -> None:
        super().__init__()
        self.equation = equation
        self.weight = nn.Parameter(torch.empty(kernel_shape))
        nn.init.normal_(self.weight, std=0.05)
        self.bias = None
        if bias_shape is not None:
            self.bias = nn.Parameter(torch.zeros(bias_shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the axes that the equation names."""
        y = torch.einsum(self.equation, x, self.weight)
        return y if self.bias is None else y + self.bias


class MultiHeadAttention(nn.Module):
    """Attention whose heads have any size; torch's divides the features."""

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        query_size: int,
        value_size: int | None = None,
        key_size: int | None = None,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_size: int | None = None,
    ) -> None:
        super().__init__()
        value_size = value_size or query_size
        value_dim = value_dim or key_dim
        inner, outer = num_heads * key_dim, num_heads * value_dim
        self.query = nn.Linear(query_size, inner, bias=use_bias)
        self.key = nn.Linear(key_size or value_size, inner, bias=use_bias)
        self.value = nn.Linear(value_size, outer, bias=use_bias)
        self.attention_output = nn.Linear(
            outer, output_size or query_size, bias=use_bias
        )
        self.num_heads, self.dropout = num_heads, dropout
        # Keras rounds this factor to float32, which float64 shows.
        self.scale = float(np.float32(key_dim**-0.5))

    def forward(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        use_causal_mask: bool = False,
    ) -> torch.Tensor:
        """Returns (N, T, features).

        Args:
            query: (N, T, features).
            value: (N, S, features).
            key: the same; None: the value.
            query_mask: (N, T), true for steps that count.
            value_mask: (N, S).
            key_mask: (N, S).
            attention_mask: (N, T, S), or (N, heads, T, S), true where a query may look.
            use_causal_mask: whether a query looks at no later key.
        """
        q, v = self.heads(self.query(query)), self.heads(self.value(value))
        k = self.heads(self.key(value if key is None else key))
        scores = (q * self.scale) @ k.transpose(-2, -1)
        masks = []
        if query_mask is not None:
            masks.append(query_mask[:, None, :, None])
        masks += [m[:, None, None] for m in (value_mask, key_mask) if m is not None]
        if attention_mask is not None:
            is_one = attention_mask.ndim == 3  # for all heads
            masks.append((attention_mask[:, None] if is_one else attention_mask).bool())
        if use_causal_mask:
            masks.append(torch.ones_like(scores[0, 0], dtype=torch.bool).tril())
        for mask in masks:
            scores = scores.masked_fill(~mask, LEAST)
        weights = torch.softmax(scores, dim=-1)
        if self.dropout:
            # As in Keras, a query that may look nowhere then gets zeros.
            for mask in masks:
                weights = weights.masked_fill(~mask, 0.0)
            weights = F.dropout(weights, self.dropout, self.training)
        y: torch.Tensor = (weights @ v).transpose(1, 2).flatten(2)
        output: torch.Tensor = self.attention_output(y)
        return output

    def heads(self, x: torch.Tensor) -> torch.Tensor:
        """Returns (N, heads, T, size) of (N, T, features)."""
        y: torch.Tensor = x.unflatten(-1, (self.num_heads, -1))
        return y.transpose(1, 2)


LEAST = -0.7 * 3.38953e38  # Keras's score in the place of a masked one
