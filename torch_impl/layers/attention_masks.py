"""Masks of attention: what each query may look at, as booleans that broadcast to the scores."""

from __future__ import annotations

import torch


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
