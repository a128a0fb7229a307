"""A layer that encodes whole numbers by Keras's rules."""

from __future__ import annotations

import torch
from torch import nn


class CategoryEncoding(nn.Module):
    """Encodes whole numbers from 0 by vectors of a fixed length.

    "one_hot" makes a vector of each; "multi_hot" says which occur along axis 1, and
    "count" how often. torch has one_hot alone.
    """

    like: torch.Tensor  # has the dtype of the network

    def __init__(self, num_tokens: int, output_mode: str = "multi_hot") -> None:
        super().__init__()
        self.num_tokens, self.output_mode = num_tokens, output_mode
        self.register_buffer("like", torch.empty(0), persistent=False)

    def forward(
        self, x: torch.Tensor, count_weights: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Returns (N, num_tokens), or (N, ..., num_tokens) for "one_hot"."""
        if self.output_mode == "one_hot" and x.ndim > 1 and x.shape[-1] == 1:
            x = x.squeeze(-1)
        tokens = torch.arange(self.num_tokens, device=x.device)
        hot = (x.long().unsqueeze(-1) == tokens).to(self.like.dtype)
        axis = 1 if x.ndim > 1 else 0
        if self.output_mode == "one_hot":
            return hot
        if self.output_mode == "multi_hot":
            return hot.amax(axis)
        if count_weights is not None:
            hot = hot * count_weights.to(hot.dtype).unsqueeze(-1)
        return hot.sum(axis)
