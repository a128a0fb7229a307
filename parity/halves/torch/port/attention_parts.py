"""Attention of torch, run as the functions of which it consists: projections, softmax, dropout.

`F.scaled_dot_product_attention` and `F.multi_head_attention_forward`, which a
torch.nn.MultiheadAttention calls, compute in one step what Keras's layer has in several calls. Run
so, each of them is watched by itself, as in a port that writes them by hand.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F


def parts_of(function: Any, arguments: Any, keywords: Any) -> Callable[..., Any] | None:
    """Returns what computes the same in parts as a call of attention; None for other calls.

    None, too, for what Keras has not: added keys, and samples without a batch.
    """
    name = getattr(function, "__name__", "")
    if name == "scaled_dot_product_attention":
        return scaled_dot_product
    if name != "multi_head_attention_forward":
        return None
    given = _given(arguments, keywords)
    extras = ("bias_k", "bias_v", "static_k", "static_v", "add_zero_attn")
    is_more = any(given[name] is not None and given[name] is not False for name in extras)
    return None if is_more or given["query"].ndim != 3 else multi_head


def scaled_dot_product(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """Does what torch's function of this name does; the arguments are its own."""
    if enable_gqa:
        repeats = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(repeats, dim=-3) for x in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    weights = _weights(scores, attn_mask)
    if dropout_p > 0:
        weights = F.dropout(weights, dropout_p, training=True)
    return torch.matmul(weights, value)


def _weights(scores: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Returns the softmax of scores; a query that may look nowhere gets zeros."""
    if mask is None:
        return F.softmax(scores, dim=-1)
    if mask.dtype != torch.bool:
        mask = mask.to(scores)
        allowed = ~torch.isneginf(mask)
        scores = torch.where(allowed, scores + mask, -math.inf)
    else:
        allowed = mask
        scores = torch.where(allowed, scores, -math.inf)
    is_dead = ~allowed.expand(scores.shape).any(dim=-1, keepdim=True)
    weights = F.softmax(torch.where(is_dead, 0.0, scores), dim=-1)
    return torch.where(is_dead, 0.0, weights)


_FORWARD = inspect.signature(F.multi_head_attention_forward)


def _given(arguments: Any, keywords: Any) -> dict[str, Any]:
    bound = _FORWARD.bind(*arguments, **keywords)
    bound.apply_defaults()
    return bound.arguments


def multi_head(*arguments: Any, **keywords: Any) -> Any:
    """Does what F.multi_head_attention_forward does; batches are (T, N, features), as there."""
    given = _given(arguments, keywords)
    query, key, value = (given[name].transpose(0, 1) for name in ("query", "key", "value"))
    num_heads = given["num_heads"]
    q, k, v = (
        _heads(F.linear(x, weight, bias), num_heads)
        for x, (weight, bias) in zip((query, key, value), _projections(given), strict=True)
    )
    mask = _mask(given, q, k)
    scores = torch.matmul(q * (1 / math.sqrt(q.shape[-1])), k.transpose(-2, -1))
    weights = _weights(scores, mask)
    rate = given["dropout_p"]
    kept = F.dropout(weights, rate, training=given["training"]) if rate > 0 else weights
    heads = torch.matmul(kept, v)
    joined = heads.transpose(1, 2).flatten(2)
    output = F.linear(joined, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1)
    if not given["need_weights"]:
        return output, None
    return output, weights.mean(dim=1) if given["average_attn_weights"] else weights


def _projections(given: Any) -> list[tuple[torch.Tensor, torch.Tensor | None]]:
    bias = given["in_proj_bias"]
    biases = [None] * 3 if bias is None else bias.chunk(3)
    if given["use_separate_proj_weight"]:
        weights = [given[f"{name}_proj_weight"] for name in ("q", "k", "v")]
    else:
        weights = given["in_proj_weight"].chunk(3)
    return list(zip(weights, biases, strict=True))


def _heads(x: torch.Tensor, num_heads: int) -> torch.Tensor:
    split: torch.Tensor = x.unflatten(-1, (num_heads, -1))
    return split.transpose(1, 2)


def _mask(given: Any, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor | None:
    """Returns both masks in one, True where a query may look; numbers are added to the scores."""
    mask: torch.Tensor | None = given["attn_mask"]
    padding: torch.Tensor | None = given["key_padding_mask"]
    batch, heads, num_queries = q.shape[:3]
    if mask is None and given["is_causal"]:
        mask = ~torch.ones(num_queries, k.shape[2], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        if mask.ndim == 3:
            mask = mask.reshape(batch, heads, *mask.shape[1:])
        mask = ~mask if mask.dtype == torch.bool else mask
    if padding is None:
        return mask
    padding = padding[:, None, None]
    padding = ~(padding if padding.dtype == torch.bool else torch.isneginf(padding))
    if mask is None:
        return padding
    if mask.dtype == torch.bool:
        return mask & padding
    return torch.where(padding, mask, -math.inf)
