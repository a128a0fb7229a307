"""Attention without projections, and of several heads, with its masks."""

from __future__ import annotations

import math
import string
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from torch_impl.layers.dropout import Dropout
from torch_impl.layers.einsum_dense import EinsumDense
from torch_impl.layers.layer import Layer

# --------------------------------------------------------------------------------------------------
#
# Masks of attention: what each query may look at, as booleans that broadcast to the scores.


def causal(num_queries: int, num_keys: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """Returns (1, queries, keys): whether a key is at the place of the query, or before it."""
    rows, columns = (torch.arange(n, device=device) for n in (num_queries, num_keys))
    return (rows[:, None] >= columns)[None]


def window(
    num_queries: int, num_keys: int, width: int, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """Returns (1, queries, keys): whether a key is less than `width` places from the query."""
    rows, columns = (torch.arange(n, device=device) for n in (num_queries, num_keys))
    return ((rows[:, None] - columns).abs() < width)[None]


def joined(*masks: torch.Tensor | None) -> torch.Tensor | None:
    """Returns what all masks allow; None without any."""
    given = [mask for mask in masks if mask is not None]
    result: torch.Tensor | None = None
    for mask in given:
        result = mask if result is None else result & mask
    return result


def of_sequences(
    query_mask: torch.Tensor | None,
    value_mask: torch.Tensor | None,
    key_mask: torch.Tensor | None,
) -> torch.Tensor | None:
    """Returns (N, T, S) from masks (N, T) of queries, and (N, S) of values and keys."""
    return joined(
        None if query_mask is None else query_mask.bool()[..., None],
        None if value_mask is None else value_mask.bool()[..., None, :],
        None if key_mask is None else key_mask.bool()[..., None, :],
    )


# --- Attention without projections: scores are products, or sums through a tanh -------------------


_MASKED = 1e9  # is subtracted from a masked score


class Attention(Layer):
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
        allowed = joined(
            None if value_mask is None else value_mask.bool()[..., None, :],
            causal(sides[0], sides[1], scores.device) if use_causal_mask else None,
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


# --- Attention of several heads, with projections of query, key, value and output -----------------


_MASKED_SCORE = -1e9  # Keras's Softmax layer puts this in the place of a masked score
_MASKED_FUSED = -0.7 * 3.38953e38  # and keras.ops.dot_product_attention this


class _Attention(Layer):
    """What both layers share: projections are children with Keras's names, in Keras's order."""

    def __init__(
        self,
        scale: float,
        dropout: float,
        seed: int,
        sliding_window: int | None,
        flash_attention: bool | None,
    ) -> None:
        super().__init__()
        if flash_attention:
            raise ValueError(
                "flash_attention=True: expected None or False, since Keras has no such kernel "
                "with TensorFlow"
            )
        if sliding_window is not None and sliding_window <= 0:
            raise ValueError(f"{sliding_window=}: expected a positive number or None")
        # Keras casts this number through float32, in float64 runs too.
        self.scale = float(torch.tensor(scale, dtype=torch.float32))
        self.sliding_window = sliding_window
        self.score_axes = 1  # axes that are attended to
        self.dropout = Dropout(dropout, seed)

    def _mask(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        masks: tuple[torch.Tensor | None, ...],
        use_causal_mask: bool,
    ) -> torch.Tensor | None:
        """Returns what Keras's `_compute_attention_mask` makes, but for the given mask."""
        sides, device = (query.shape[1], value.shape[1]), query.device
        width = self.sliding_window
        return joined(
            of_sequences(*masks),
            causal(*sides, device) if use_causal_mask else None,
            None if width is None else window(*sides, width, device),
        )

    def _probabilities(
        self, scores: torch.Tensor, mask: torch.Tensor | None, *, is_fused: bool
    ) -> torch.Tensor:
        """Returns the softmax over the last axes.

        A query whose keys are all masked attends to nothing; in Keras's fused operation, it attends
        to all keys alike.
        """
        if mask is not None:
            for _ in range(scores.ndim - mask.ndim):
                mask = mask.unsqueeze(-2 * self.score_axes - 1)
            scores = torch.where(mask, scores, _MASKED_FUSED if is_fused else _MASKED_SCORE)
        whole = scores.flatten(-self.score_axes)
        weights = torch.softmax(whole, dim=-1).reshape(scores.shape)
        return weights if mask is None or is_fused else torch.where(mask, weights, 0.0)

    def _dropped(self, weights: torch.Tensor) -> torch.Tensor:
        """Drops with Keras's mask, which is drawn in the order of the scores."""
        if not self.training or self.dropout.rate == 0:
            return weights
        dropped: torch.Tensor = self.dropout(weights.movedim(-1, 1)).movedim(1, -1)
        return dropped


class MultiHeadAttention(_Attention):
    """Attention of several heads, each with a part of the features.

    Differs from torch.nn.MultiheadAttention in:
    1. the order of the arguments is query, value, key;
    2. `attention_mask` is True where a query may look, and no score is added to a score;
    3. heads may have any size, `key_dim` and `value_dim`, and the kernels have Keras's shapes:
       (in, heads, size), (heads, size, out);
    4. the mask of the dropout is a function of a seed and a counter, see `Dropout`;
    5. a query that may look nowhere gets zeros (with Keras's fused operation, the mean of all
       values), not NaN;
    6. attention may be over several axes;
    7. scores are multiplied by 1 / sqrt(key_dim) as float32 has it, in float64 too: 1e-8 away.

    Source: keras 3.15 `layers/attention/multi_head_attention.py`.

    Args:
        num_heads: at least 1.
        key_dim: size of a head of query and key.
        query_shape: lengths of the axes of the query behind the batch axis; only the last must be
            known.
        value_shape: the same of the value; None: that of the query.
        key_shape: the same of the key; None: that of the value.
        value_dim: size of a head of the value; None: key_dim.
        dropout: fraction of the weights of attention that is dropped, in [0, 1).
        use_bias: of all projections.
        output_shape: of the output behind the axes of the query; None: its last axis.
        attention_axes: axes of the query that are attended to; None: all but the first and last.
        sliding_window: a query looks at keys that are less far away; None: at all.
        flash_attention: None or False.
        use_gate: whether the heads are multiplied with a sigmoid of a projection of the query.
        seed: of the dropout.
        **options: device and dtype of the weights.

    Raises:
        ValueError: sizes are not positive; key and value have other axes; `flash_attention`.
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        query_shape: Sequence[int | None],
        value_shape: Sequence[int | None] | None = None,
        key_shape: Sequence[int | None] | None = None,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: int | Sequence[int] | None = None,
        attention_axes: int | Sequence[int] | None = None,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        use_gate: bool = False,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if min(num_heads, key_dim, value_dim or 1) < 1:
            raise ValueError(f"{num_heads=}, {key_dim=}, {value_dim=}: expected positive numbers")
        super().__init__(
            1.0 / math.sqrt(float(key_dim)), dropout, seed, sliding_window, flash_attention
        )
        value_shape = query_shape if value_shape is None else value_shape
        key_shape = value_shape if key_shape is None else key_shape
        if tuple(value_shape[:-1]) != tuple(key_shape[:-1]):
            raise ValueError(f"{value_shape=}, {key_shape=}: expected the same axes but the last")
        value_dim = value_dim or key_dim
        rank = len(value_shape) + 2  # of a projected value, batch and heads included
        axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes
        self.attention_axes = tuple(
            range(1, rank - 2)
            if axes is None
            else (axis if axis >= 0 else rank - 1 + axis for axis in axes)
        )
        self.score_axes = len(self.attention_axes)
        self._scored, self._combined = attention_equations(rank, self.attention_axes)

        def heads(shape: Sequence[int | None], size: int) -> EinsumDense:
            free = string.ascii_lowercase[: len(shape)]
            made = [*[None] * (len(shape) - 1), num_heads, size]
            bias = "yz" if use_bias else None
            return EinsumDense(f"{free}x,xyz->{free}yz", shape, made, bias, **options)

        self.query = heads(query_shape, key_dim)
        self.key = heads(key_shape, key_dim)
        self.gate = heads(query_shape, value_dim) if use_gate else None
        self.value = heads(value_shape, value_dim)
        given = output_shape or query_shape[-1]
        ends = (given,) if isinstance(given, int) else tuple(given or ())
        free = string.ascii_lowercase[: len(query_shape)]
        out = string.ascii_lowercase[len(query_shape) : len(query_shape) + len(ends)]
        before = query_shape[:-1]
        self.attention_output = EinsumDense(
            f"{free}yz,yz{out}->{free}{out}",
            [*before, num_heads, value_dim],
            [*[None] * len(before), *ends],
            out if use_bias else None,
            **options,
        )

    def forward(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns the output, (N, T, ...).

        Args:
            query: (N, T, features).
            value: (N, S, features).
            key: (N, S, features); None: the value.
            query_mask: (N, T), True for steps that count: that of the query itself. Keras ignores
                one that a caller passes.
            value_mask: (N, S).
            key_mask: (N, S).
            attention_mask: (N, T, S), or with an axis of heads, (N, heads, T, S).
            return_attention_scores: whether to return (output, weights of attention) with weights
                (N, heads, T, S), before dropout.
            use_causal_mask: whether a query looks at no later key.
        """
        key = value if key is None else key
        auto = self._mask(query, value, (query_mask, value_mask, key_mask), use_causal_mask)
        given = None if attention_mask is None else attention_mask.bool()
        gate = None if self.gate is None else torch.sigmoid(self.gate(query))
        q, k, v = self.query(query), self.key(key), self.value(value)
        # Keras's operation for tensors of four axes, which gives no scores.
        is_fused = not (self.dropout.rate > 0 or return_attention_scores or q.ndim != 4)
        scores = torch.einsum(self._scored, k, q * self.scale)
        mask = joined(given, auto)
        weights = self._probabilities(scores, mask, is_fused=is_fused)
        heads = torch.einsum(self._combined, self._dropped(weights), v)
        output = self.attention_output(heads if gate is None else heads * gate)
        return (output, weights) if return_attention_scores else output


class GroupQueryAttention(_Attention):
    """Attention in which several heads of the query share one of key and value.

    Torch has it in `scaled_dot_product_attention(enable_gqa=True)` alone. Points 1 to 5 of
    `MultiHeadAttention` hold. Source: keras 3.15 `layers/attention/grouped_query_attention.py`.

    Args:
        head_dim: size of a head.
        num_query_heads: a multiple of num_key_value_heads.
        num_key_value_heads: at least 1.
        query_size: features of query and output.
        value_size: features of the value; None: those of the query.
        key_size: features of the key; None: those of the value.
        dropout: see `MultiHeadAttention`.
        use_bias: of all projections.
        sliding_window: see `MultiHeadAttention`.
        flash_attention: None or False.
        use_gate: see `MultiHeadAttention`.
        seed: of the dropout.
        **options: device and dtype of the weights.

    Raises:
        ValueError: heads do not divide; `flash_attention` is True.
    """

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        query_size: int,
        value_size: int | None = None,
        key_size: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        use_gate: bool = False,
        seed: int = 0,
        **options: Any,
    ) -> None:
        if num_key_value_heads < 1 or num_query_heads % num_key_value_heads:
            raise ValueError(f"{num_query_heads=}: expected a multiple of {num_key_value_heads=}")
        super().__init__(
            1.0 / math.sqrt(float(head_dim)), dropout, seed, sliding_window, flash_attention
        )
        self.num_repeats = num_query_heads // num_key_value_heads
        value_size = query_size if value_size is None else value_size

        def heads(size: int, number: int) -> EinsumDense:
            bias = "yz" if use_bias else None
            shape, made = [None, size], [None, number, head_dim]
            return EinsumDense("abx,xyz->abyz", shape, made, bias, **options)

        self.query = heads(query_size, num_query_heads)
        self.key = heads(value_size if key_size is None else key_size, num_key_value_heads)
        self.gate = heads(query_size, num_query_heads) if use_gate else None
        self.value = heads(value_size, num_key_value_heads)
        self.attention_output = EinsumDense(
            "abyz,yzx->abx",
            [None, num_query_heads, head_dim],
            [None, query_size],
            "x" if use_bias else None,
            **options,
        )

    def forward(
        self,
        query: torch.Tensor,
        value: torch.Tensor,
        key: torch.Tensor | None = None,
        query_mask: torch.Tensor | None = None,
        value_mask: torch.Tensor | None = None,
        key_mask: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        return_attention_scores: bool = False,
        use_causal_mask: bool = False,
    ) -> Any:
        """Returns the output, (N, T, features); the arguments are those of `MultiHeadAttention`."""
        key = value if key is None else key
        auto = self._mask(query, value, (query_mask, value_mask, key_mask), use_causal_mask)
        gate = None if self.gate is None else torch.sigmoid(self.gate(query))
        q, k, v = self.query(query), self.key(key), self.value(value)
        k, v = (x.repeat_interleave(self.num_repeats, dim=2) for x in (k, v))
        is_fused = self.dropout.rate == 0 and not return_attention_scores
        given = attention_mask
        if given is not None and given.dtype != torch.bool:
            # Alone and not fused, it goes to a softmax, which takes half as the limit.
            given = given.bool() if is_fused or auto is not None else given > 0.5
        scores = torch.einsum("bquh,bkuh->buqk", q * self.scale, k)
        mask = joined(given, auto)
        weights = self._probabilities(scores, mask, is_fused=is_fused)
        heads = torch.einsum("buqk,bkuh->bquh", self._dropped(weights), v)
        output = self.attention_output(heads if gate is None else heads * gate)
        return (output, weights) if return_attention_scores else output


def attention_equations(rank: int, axes: Sequence[int]) -> tuple[str, str]:
    """Returns the equations of scores (key, query) and of heads (weights, value).

    Args:
        rank: of a projected tensor: batch, axes, heads, size of a head.
        axes: that are attended to.
    """
    query = string.ascii_lowercase[:rank]
    others = iter(string.ascii_lowercase[rank:])
    batch = [n for n in range(rank - 1) if n not in axes]
    source = "".join(query[n] if n in batch or n == rank - 1 else next(others) for n in range(rank))
    scores = "".join(
        [*(query[n] for n in batch), *(query[n] for n in axes), *(source[n] for n in axes)]
    )
    return f"{source},{query}->{scores}", f"{scores},{source}->{query}"
