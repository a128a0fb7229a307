"""Divergences inside of attention: factor and mask of the scores, axis of the softmax, heads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from scipy import special

from parity.data.probe_inputs import short_name
from parity.divergences import arithmetic
from parity.divergences.divergence import NUMBERS, Match, Recogniser, found_by
from parity.divergences.evidence import Evidence, is_close
from parity.divergences.recurrent_steps import given_mask

# --------------------------------------------------------------------------------------------------
#
# Divergences of Keras's Attention and AdditiveAttention, which a port writes in a few lines.
#
# What the layer gives with one thing changed is compared with what the port has behind it.


Array = np.ndarray
DOTS, ADDITIVE = "unknown:Attention", "unknown:AdditiveAttention"
_FUNCTIONS = ("linear", "relu", "sigmoid", "gelu (exact)")
# (ID, what is different, the scores that the port has then)
Change = tuple[str, str, Array]


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


# Makes the recogniser of an entry for these layers.
plain = partial(found_by, search=_found)


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
    for factor, text in (
        (size**-0.5, f"1 / sqrt({size})"),
        (1 / size, f"1 / {size}"),
        (size**0.5, f"sqrt({size})"),
    ):
        yield (
            "A34",
            f"the port scales the scores of {node['name']} by {text} more",
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
    yield "A35", "the port has a causal mask", made(np.where(_causal_mask(dots), dots, -1e9))


def _dots(query: Array, key: Array) -> Array:
    return np.asarray(query @ np.swapaxes(key, -1, -2))


def _sums(query: Array, key: Array, scale: Array, function: Callable[[Array], Array]) -> Array:
    return np.asarray((scale * function(query[:, :, None] + key[:, None])).sum(-1))


def _causal_mask(scores: Array) -> Array:
    return np.tril(np.ones(scores.shape[-2:], bool))


# --------------------------------------------------------------------------------------------------
#
# Divergences inside of attention: factor and mask of the scores, axis of the softmax, heads.
#
# Keras's projections of query, key and value and its weights of attention go in. A formula with one
# change gives the port's weights, or what reaches the port's output projection.


# Keras has the factor of the scores in float32: relative 6e-8, times the size of a score.
_CLOSE = 1e-5
_FEW = 1e-300
_SAME_FACTOR = 1e-4  # relative


@dataclass(frozen=True)
class _Numbers:
    """What Keras and the port have at the softmax of one attention.

    Attributes:
        query: (N, T, heads, size).
        key: (N, S, heads, size).
        theirs: weights of Keras, (N, heads, T, S).
        ours: weights of the port for Keras's query and key.
        scale: Keras's factor.
    """

    query: np.ndarray
    key: np.ndarray
    theirs: np.ndarray
    ours: np.ndarray
    scale: float

    @property
    def allowed(self) -> np.ndarray:
        """Where a query of Keras may look: a masked weight is zero."""
        return self.theirs > 0

    def explain(self, value: np.ndarray) -> bool:
        """Whether weights are the port's and not Keras's; rows that are no numbers do not count."""
        if value.shape != self.ours.shape:
            return False
        live = np.isfinite(self.ours).all(-1) & np.isfinite(value).all(-1)
        if not live.any() or is_close(value[live], _of(self.theirs, live), _CLOSE):
            return False
        return is_close(value[live], self.ours[live], _CLOSE)


def _of(array: np.ndarray, live: np.ndarray) -> np.ndarray | None:
    return array[live] if array.shape[:-1] == live.shape else None


def _numbers(evidence: Evidence) -> _Numbers | None:
    if not evidence.is_forward("attention") or evidence.node is None:
        return None
    q, k = evidence.keras_input(), evidence.keras_input(number=1)
    theirs, ours = evidence.keras_output(), evidence.own_output()
    if q is None or k is None or theirs is None or ours is None:
        return None
    config = evidence.config
    heads, groups = int(config["num_heads"]), int(config["num_groups"])
    query = q.reshape(*q.shape[:2], heads, -1)
    key = np.repeat(k.reshape(*k.shape[:2], groups, -1), heads // groups, axis=2)
    return _Numbers(query, key, theirs, ours, float(config["scale"]))


def _scores(query: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Returns query key^T, (N, heads, T, S)."""
    return np.asarray(np.einsum("btnh,bsnh->bnts", query, key))


def _softmax(scores: np.ndarray, allowed: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
    """Returns the softmax of the allowed scores; NaN where nothing is allowed."""
    if allowed is not None:
        scores = np.where(allowed, scores, -np.inf)
    with np.errstate(all="ignore"):
        shifted = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return np.asarray(shifted / shifted.sum(axis=axis, keepdims=True))


def _scale(evidence: Evidence) -> Match | None:
    """Recognises another factor, which is fitted to the logarithms of the port's weights."""
    found = _numbers(evidence)
    if found is None or found.ours.shape != found.theirs.shape:
        return None
    scores, allowed = _scores(found.query, found.key), found.allowed & (found.ours > 0)
    logs = np.log(np.maximum(found.ours, _FEW))
    count = np.maximum(allowed.sum(-1, keepdims=True), 1)
    x, y = (
        np.where(allowed, v - np.where(allowed, v, 0).sum(-1, keepdims=True) / count, 0)
        for v in (scores, logs)
    )
    factor = float((x * y).sum() / max(float((x * x).sum()), _FEW))
    is_same = abs(factor / found.scale - 1) < _SAME_FACTOR  # another mask, as of padded queries
    if is_same or not found.explain(_softmax(factor * scores, found.allowed)):
        return None
    size, model = found.query.shape[-1], int(evidence.config.get("model_dim", 0))
    known = {
        "not at all": 1.0,
        "by 1 / sqrt(features of the model)": max(model, 1) ** -0.5,
        "by 1 / sqrt(all heads)": found.query[0, 0].size ** -0.5,
        "by 1 / key_dim": 1 / size,
        "twice by 1 / sqrt(key_dim)": found.scale**2,
        "by sqrt(key_dim)": size**0.5,
    }
    said = next((text for text, f in known.items() if abs(factor / f - 1) < 1e-4), "")
    detail = f"the port scales the scores by {factor:.4g}" + (f", {said}" if said else "")
    return Match(NUMBERS, f"{detail}; Keras by {found.scale:.4g}")


def _masks(found: _Numbers) -> Iterator[tuple[str, np.ndarray]]:
    """Yields weights with other masks, and what is said of them."""
    scores = _scores(found.query, found.key) * found.scale
    allowed, (rows, columns) = found.allowed, found.theirs.shape[-2:]
    ones = np.ones((rows, columns), bool)
    if not allowed.all():
        yield "the port has no mask", _softmax(scores)
        yield "the port's mask is inverted: it hides what Keras shows", _softmax(scores, ~allowed)
        yield "the port adds the mask to the scores as a number", _softmax(scores + allowed)
        yield "the port adds the hidden places to the scores", _softmax(scores + ~allowed)
        yield "the port multiplies the scores by the mask", _softmax(scores * allowed)
        yield "the port masks behind the softmax", _softmax(scores) * allowed
    for shift, text in ((1, "shows the next step too"), (-1, "hides the step itself")):
        yield f"the port's causal mask {text}", _softmax(scores, np.tril(ones, shift))
    yield "only the port has a causal mask", _softmax(scores, np.tril(ones))
    yield "the port looks at later steps alone", _softmax(scores, np.triu(ones))
    if rows != columns:
        last = np.tril(ones, columns - rows)
        yield "the port's causal mask is aligned with the last key", _softmax(scores, last)


def _mask(evidence: Evidence) -> Match | None:
    found = _numbers(evidence)
    if found is None:
        return None
    for text, value in _masks(found):
        if found.explain(value):
            return Match(NUMBERS, text)
    return _other_mask(found)


def _other_mask(found: _Numbers) -> Match | None:
    """Recognises any other mask: Keras's scores give the port's weights where it looks."""
    attended = found.ours > 0
    if attended.shape != found.allowed.shape:
        return None
    scores = _scores(found.query, found.key) * found.scale
    if (attended == found.allowed).all() or not found.explain(_softmax(scores, attended)):
        return None
    texts = []
    for text, places in (
        ("shows {} that Keras hides", attended & ~found.allowed),
        ("hides {} that Keras shows", found.allowed & ~attended),
    ):
        if places.any():
            sample, _, query, key = (int(n) for n in np.argwhere(places)[0])
            first = f"the first is key {key} of query {query} in sample {sample}"
            texts.append(f"{text.format(f'{int(places.sum())} places')} ({first})")
    return Match(NUMBERS, f"the port {', and '.join(texts)}")


def softmax_axis(evidence: Evidence) -> Match | None:
    """Recognises a softmax of attention over heads or queries."""
    found = _numbers(evidence)
    if found is None:
        return None
    scores = _scores(found.query, found.key) * found.scale
    for axis, name in ((1, "the heads"), (2, "the queries"), (0, "the samples")):
        value = np.nan_to_num(_softmax(scores, found.allowed, axis), nan=0.0)
        if found.explain(value):
            return Match(NUMBERS, f"the port takes the softmax over {name}, Keras over the keys")
    return None


# --- heads ---------------------------------------------------------------------------------------


def _splits(x: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (N, T, heads, size) as other views of the same features have it."""
    batch, steps, heads, size = x.shape
    flat = x.reshape(batch, steps, -1)
    yield "", x
    strided = flat.reshape(batch, steps, size, heads).swapaxes(-1, -2)
    yield "as (size, heads)", strided
    whole = flat.reshape(batch, heads, steps, size).swapaxes(1, 2)
    yield "across the steps, by a view without a transpose", whole


def _heads(evidence: Evidence) -> Match | None:
    """Recognises heads that are split or joined in another order, or another number of heads."""
    found = _numbers(evidence)
    if found is None:
        return _joined(evidence)
    for (first, q), (second, k) in itertools.product(_splits(found.query), _splits(found.key)):
        if (first or second) and found.explain(
            _softmax(_scores(q, k) * found.scale, found.allowed)
        ):
            what = "query and key" if first == second else "the query" if first else "the key"
            return Match(NUMBERS, f"the port splits {what} {first or second}")
    return _shared_otherwise(found, int(evidence.config["num_groups"])) or _number_of_heads(found)


def _shared_otherwise(found: _Numbers, groups: int) -> Match | None:
    """Recognises keys that are repeated 0, 1, 0, 1 in the place of 0, 0, 1, 1."""
    repeats = found.key.shape[2] // groups
    if repeats == 1 or groups == 1:
        return None
    key = found.key[:, :, ::repeats]
    value = _softmax(_scores(found.query, np.tile(key, (1, 1, repeats, 1))) * found.scale)
    if not found.explain(np.where(found.allowed, value, 0) if found.allowed.all() else value):
        return None
    return Match(NUMBERS, "the port repeats the heads of the key as a whole, Keras one by one")


def _number_of_heads(found: _Numbers) -> Match | None:
    features = found.query[0, 0].size
    heads = found.ours.shape[1] if found.ours.ndim == 4 else 1
    if heads == found.theirs.shape[1] or features % heads:
        return None
    q, k = (x.reshape(*x.shape[:2], heads, -1) for x in (found.query, found.key))
    ours = found.ours.reshape(len(q), heads, q.shape[1], k.shape[1])
    allowed = found.allowed[:, :1]
    for scale in (q.shape[-1] ** -0.5, found.scale):
        if is_close(_softmax(_scores(q, k) * scale, allowed), ours, _CLOSE):
            return Match(NUMBERS, f"the port has {heads} heads, Keras {found.theirs.shape[1]}")
    return None


@dataclass(frozen=True)
class _Output:
    """What reaches the output projection: weights and values of Keras, and the port's input."""

    weights: np.ndarray
    value: np.ndarray
    key: np.ndarray
    ours: np.ndarray

    def heads(self, values: np.ndarray) -> np.ndarray:
        """Returns weights times values, (N, T, heads, size)."""
        return np.asarray(np.einsum("bnts,bsnh->btnh", self.weights, values))


def _output(evidence: Evidence) -> _Output | None:
    found, node = evidence.failing_input(), evidence.node
    if found is None or node is None or node["config"].get("part") != "attention_output":
        return None
    prefix = f"forward/{evidence.mode}/{node['config']['attention']}"
    last = f"{prefix}.dropout/output"
    weights = evidence.keras[last if last in evidence.keras else f"{prefix}.softmax/output"]
    heads, groups = weights.shape[1], int(node["config"]["num_groups"])
    value, key = (
        np.repeat(x.reshape(*x.shape[:2], groups, -1), heads // groups, axis=2)
        for x in (evidence.keras[f"{prefix}.{name}/output"] for name in ("value", "key"))
    )
    return _Output(weights, value, key, found[2])


def _joined(evidence: Evidence) -> Match | None:
    found = _output(evidence)
    if found is None:
        return None
    right, ours = found.heads(found.value), found.ours
    shape = ours.shape
    others = {
        "joins the heads as (size, heads)": right.swapaxes(-1, -2),
        "joins the heads across the steps, by a view without a transpose": right.swapaxes(1, 2),
    }
    for name, value in _splits(found.value):
        if name:
            others[f"splits the value {name}"] = found.heads(value)
    for text, value in others.items():
        if value.size == ours.size and is_close(value.reshape(shape), ours, _CLOSE):
            return Match(NUMBERS, f"the port {text}")
    return None


# --- what takes whose place ----------------------------------------------------------------------


def exchanged(evidence: Evidence) -> Match | None:
    """Recognises query, key or value in the place of another one."""
    found = _output(evidence)
    if found is not None:
        is_key = found.key.shape == found.value.shape and is_close(
            found.heads(found.key).reshape(found.ours.shape), found.ours, _CLOSE
        )
        return Match(NUMBERS, "the port takes the key for the value") if is_key else None
    numbers = _numbers(evidence)
    if numbers is None or evidence.node is None:
        return None
    turned = _scores(numbers.query, numbers.key) * numbers.scale
    if turned.shape[-1] == turned.shape[-2]:
        value = _softmax(turned.swapaxes(-1, -2), numbers.allowed)
        if numbers.explain(value):
            return Match(NUMBERS, "query and key have each other's place in the scores")
    key = f"forward/{evidence.mode}/{evidence.node['config']['attention']}.value/output"
    other = evidence.keras[key].reshape(numbers.key.shape) if key in evidence.keras else None
    if other is None:
        return None
    for text, q, k in (
        ("the value takes the place of the key in the scores", numbers.query, other),
        ("the value takes the place of the query in the scores", other, numbers.key),
    ):
        if q.shape == numbers.query.shape and numbers.explain(
            _softmax(_scores(q, k) * numbers.scale, numbers.allowed)
        ):
            return Match(NUMBERS, text)
    return None


RULES: dict[str, Recogniser] = {
    "A34": lambda evidence: _scale(evidence) or plain("A34")(evidence),
    "A35": lambda evidence: _mask(evidence) or plain("A35")(evidence),
    "A36": _heads,
}
