"""Attention without projections: scores are products, or sums through a tanh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers import attention_masks
from torch_impl.layers.dropout import Dropout

_MASKED = 1e9  # is subtracted from a masked score


class Attention(nn.Module):
    """softmax(query key^T) value, for one head and without projections (Luong et al. 2015).

    Differs from torch.nn.functional.scaled_dot_product_attention in:
    1. the inputs are a list [query, value] or [query, value, key];
    2. scores are not divided by the root of the size; `use_scale` trains a factor;
    3. a masked score is lowered by 1e9, so a query that may look nowhere looks everywhere;
    4. with "concat", scores are the sum of tanh(query + key) over the features;
    5. the mask of the dropout is a function of a seed and a counter, see `Dropout`.

    Source: keras 3.15 `layers/attention/attention.py`.

    Args:
        use_scale: whether scores (in "concat", what goes into tanh) are multiplied by a weight.
        score_mode: "dot" or "concat".
        dropout: fraction of the weights of attention that is dropped, in [0, 1).
        seed: of the dropout.
        **options: device and dtype of the weights.

    Raises:
        ValueError: `score_mode` is another one.
    """

    def __init__(
        self,
        use_scale: bool = False,
        score_mode: str = "dot",
        dropout: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__()
        if score_mode not in ("dot", "concat"):
            raise ValueError(f"{score_mode=}: expected 'dot' or 'concat'")
        self.score_mode = score_mode
        self.scale = nn.Parameter(torch.ones((), **options)) if use_scale else None
        is_sum = score_mode == "concat"
        weight = nn.Parameter(torch.ones((), **options)) if is_sum else None
        self.concat_score_weight = weight
        self.dropout = Dropout(dropout, seed)

    def _scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        if self.concat_score_weight is None:
            scores = query @ key.transpose(-2, -1)
            return scores if self.scale is None else scores * self.scale
        both = query.unsqueeze(-2) + key.unsqueeze(-3)
        both = both if self.scale is None else self.scale * both
        return self.concat_score_weight * torch.tanh(both).sum(-1)

    def forward(
        self,
        inputs: Sequence[torch.Tensor],
        mask: Sequence[torch.Tensor | None] | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns the output, (N, T, features of the value).

        Args:
            inputs: query (N, T, features), value (N, S, ...) and, if it is another one, key (N, S,
                features).
            mask: of query (N, T) and value (N, S), True for steps that count; those of the output
                that do not are zero.
            return_attention_scores: whether to return (output, weights of attention) with weights
                (N, T, S), after dropout.
            use_causal_mask: whether a query looks at no later key.
        """
        if not 2 <= len(inputs) <= 3:
            raise ValueError(f"{len(inputs)} inputs: expected [query, value] or with a key")
        query, value = inputs[0], inputs[1]
        query_mask, value_mask = (mask[0], mask[1]) if mask else (None, None)
        scores = self._scores(query, inputs[-1])
        sides = scores.shape[-2:]
        allowed = attention_masks.joined(
            None if value_mask is None else value_mask.bool()[..., None, :],
            attention_masks.causal(sides[0], sides[1], scores.device) if use_causal_mask else None,
        )
        if allowed is not None:
            scores = torch.where(allowed, scores, scores - _MASKED)
        weights = torch.softmax(scores, dim=-1)
        if self.training and self.dropout.rate > 0:
            weights = self.dropout(weights.movedim(-1, 1)).movedim(1, -1)
        output = weights @ value
        if query_mask is not None:
            output = torch.where(query_mask.bool()[..., None], output, 0.0)
        return (output, weights) if return_attention_scores else output

    def extra_repr(self) -> str:
        """Shown in the module's repr."""
        return f"score_mode={self.score_mode!r}, use_scale={self.scale is not None}"


class AdditiveAttention(Attention):
    """softmax(sum of scale * tanh(query + key)) value (Bahdanau et al. 2015).

    Torch has none. Points 1, 3 and 5 of `Attention` hold. Source: keras 3.15
    `layers/attention/additive_attention.py`.

    Args:
        size: features of query and key.
        use_scale: whether there is a weight for each feature.
        dropout: see `Attention`.
        seed: of the dropout.
        **options: device and dtype of the weights.
    """

    def __init__(
        self,
        size: int,
        use_scale: bool = True,
        dropout: float = 0.0,
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(False, "dot", dropout, seed)
        limit = (3.0 / size) ** 0.5  # Glorot & Bengio 2010, whose fans are both `size` here
        drawn = torch.empty(size, **options).uniform_(-limit, limit)
        self.scale = nn.Parameter(drawn) if use_scale else None

    def _scores(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        both = torch.tanh(query.unsqueeze(-2) + key.unsqueeze(-3))
        return (both if self.scale is None else self.scale * both).sum(-1)
