"""Divergences of Keras's Attention and AdditiveAttention, which a port writes in a few lines.

What the layer gives with one thing changed is compared with what the port has behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from parity.data.weight_names import short_name
from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser
from parity.divergences.masked_layers import given_mask

if TYPE_CHECKING:
    from parity.divergences.evidence import Evidence

Array = np.ndarray
DOTS, ADDITIVE = "unknown:Attention", "unknown:AdditiveAttention"
_FUNCTIONS = ("linear", "relu", "sigmoid", "gelu (exact)")
# (ID, what is different, the scores that the port has then)
Change = tuple[str, str, Array]


def plain(name: str) -> Recogniser:
    """Returns the recogniser of an entry for these layers."""

    def recognise(evidence: Evidence) -> Match | None:
        texts = [text for found, text in evidence.once(_found) if found == name]
        return Match(NUMBERS, texts[0]) if texts else None

    return recognise


def _found(evidence: Evidence) -> list[tuple[str, str]]:
    """Returns (ID, text) of the first change that gives what the port has."""
    failing = evidence.failing_input() if evidence.is_forward() else None
    node = None if failing is None else evidence.source(failing[0])
    if failing is None or node is None or node["kind"] not in (DOTS, ADDITIVE):
        return []
    _, theirs, ours = failing
    for name, text, value in _changes(evidence, node):
        if evidence.is_close(value, ours) and not evidence.is_close(value, theirs):
            return [(name, text)]
    return []


def _changes(evidence: Evidence, node: Mapping[str, Any]) -> Iterator[Change]:
    prefix = f"forward/{evidence.mode}/{node['name']}/input"
    inputs = [evidence.keras[f"{prefix}/{n}"] for n in range(len(node["input_shapes"]))]
    query, value = inputs[:2]
    key = inputs[2] if len(inputs) > 2 else value
    weights = {short_name(n): evidence.keras[f"weights/{n}"] for n in node["weights"]}
    scale = weights.get("scale", np.ones(()))
    masks = [given_mask(evidence.keras, evidence.mode, node["name"], n) for n in (0, 1)]
    if node["config"].get("score_mode", "dot") != "dot" and node["kind"] == DOTS:
        return

    def made(scores: Array, of: Array = value, axis: int = -1) -> Array:
        if masks[1] is not None:
            scores = np.where(masks[1][:, None], scores, -1e9)
        result = special.softmax(scores, axis=axis) @ of
        return result if masks[0] is None else np.where(masks[0][..., None], result, 0.0)

    size = query.shape[-1]
    dots = _dots(query, key) * scale if node["kind"] == DOTS else _sums(query, key, scale, np.tanh)
    for factor, told in (
        (size**-0.5, f"1 / sqrt({size})"),
        (1 / size, f"1 / {size}"),
        (size**0.5, f"sqrt({size})"),
    ):
        yield (
            "A34",
            f"the port scales the scores of {node['name']} by {told} more",
            made(dots * factor),
        )
    if node["weights"]:
        ones = np.ones_like(scale)
        other = _dots(query, key) if node["kind"] == DOTS else _sums(query, key, ones, np.tanh)
        yield "A34", f"the port lacks the learned scale of {node['name']}", made(other)
    if node["kind"] == ADDITIVE:
        for name in _FUNCTIONS:
            scores = _sums(query, key, scale, arithmetic.ACTIVATIONS[name])
            yield "A16", f"{name} in the place of the tanh of {node['name']}", made(scores)
    yield (
        "A21",
        "the port takes the softmax over the queries, Keras over the keys",
        made(dots, axis=1),
    )
    if key.shape == value.shape and key is not value:
        changed = _dots(query, value) * scale if node["kind"] == DOTS else None
        if changed is not None:
            yield "A22", "the value takes the place of the key in the scores", made(changed, key)
    yield "A35", "the port has a causal mask", made(np.where(_seen(dots), dots, -1e9))


def _dots(query: Array, key: Array) -> Array:
    return np.asarray(query @ np.swapaxes(key, -1, -2))


def _sums(query: Array, key: Array, scale: Array, function: Callable[[Array], Array]) -> Array:
    return np.asarray((scale * function(query[:, :, None] + key[:, None])).sum(-1))


def _seen(scores: Array) -> Array:
    return np.tril(np.ones(scores.shape[-2:], bool))
