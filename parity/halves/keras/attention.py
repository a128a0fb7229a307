"""The calls of which a MultiHeadAttention or GroupQueryAttention consists, as ports write them.

A port has four dense layers, a softmax and a dropout where Keras has one layer. So such a layer is
watched from inside: its projections count as dense layers, with heads and their size in one axis,
and the weights of attention, after the softmax, as a call of kind "attention".
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.ladder.tolerance import NOISE_FACTOR

if TYPE_CHECKING:
    from parity.halves.keras.call_list import Calls

_CLASSES = tuple(
    getattr(keras.layers, name)
    for name in ("MultiHeadAttention", "GroupQueryAttention")
    if hasattr(keras.layers, name) and not versions.IS_KERAS_2
)
_DENSE = ("query", "key", "value", "attention_output")
_SCALES = ("_inverse_sqrt_key_dim", "_inverse_sqrt_head_dim")
_MASKED = -1e9  # a masked score, which leaves nothing after the softmax


@dataclass
class Attention:
    """One call of such a layer.

    Attributes:
        name: of the call.
        layer: that is called.
        flat: outputs of the projections, (N, T, heads * size), by their names.
        has_weights: whether its softmax was noted.
    """

    name: str
    layer: Any
    flat: dict[str, Any] = field(default_factory=dict)
    has_weights: bool = False


def is_watched(layer: Any) -> bool:
    """Whether a layer is watched from inside: one of Keras's own, over one axis, without a gate."""
    if type(layer) not in _CLASSES or not layer.built:
        return False
    is_gated = getattr(layer, "_use_gate", False) or getattr(layer, "use_gate", False)
    axes = getattr(layer, "_attention_axes", None) or (1,)
    shape = getattr(layer, "_output_shape", None) or (1,)
    return not is_gated and tuple(axes) == (1,) and len(shape) == 1


def role_of(attention: Attention, layer: Any) -> str:
    """Returns what an inner layer is: a name of `_DENSE`, "softmax", "dropout", or ""."""
    held = attention.layer
    for name in _DENSE:
        attribute = "_output_dense" if name == "attention_output" else f"_{name}_dense"
        if getattr(held, attribute, None) is layer:
            return name
    for name, attribute in (("softmax", "_softmax"), ("dropout", "_dropout_layer")):
        if getattr(held, attribute, None) is layer:
            return name
    return ""


def settings_of(attention: Attention, role: str) -> dict[str, Any]:
    """Returns what a port must know of a part: which it is, the heads, the factor of the scores."""
    layer = attention.layer
    heads = getattr(layer, "_num_heads", getattr(layer, "num_query_heads", 1))
    shared = getattr(layer, "num_key_value_heads", heads)
    kernel = layer._query_dense.kernel
    return {
        "attention": attention.name,
        "part": role,
        **({} if role == "softmax" else {"kernel_inputs": 2 if role == "attention_output" else 1}),
        "num_heads": int(shared if role in ("key", "value") else heads),
        "num_groups": int(shared),
        "scale": scale_of(layer),
        "model_dim": int(kernel.shape[0]),
    }


def scale_of(layer: Any) -> float:
    """Returns the factor of the scores, as Keras casts it."""
    value = next(getattr(layer, name) for name in _SCALES if hasattr(layer, name))
    return float(value) if isinstance(value, np.float64) else float(np.float32(value))


def perturb_scale(layer: Any) -> None:
    """Moves the factor of the scores towards what it is without the cast through float32.

    Keras casts a number of Python through float32, in float64 runs too, but not an np.float64. The
    noise that this leaves, times what a port may differ by, is twice the difference.
    """
    if type(layer) not in _CLASSES:
        return
    for name in _SCALES:
        if isinstance(value := getattr(layer, name, None), float):
            rounded = float(np.float32(value))
            moved = rounded + (value - rounded) * 2 / NOISE_FACTOR
            setattr(layer, name, np.float64(moved))


def flat(x: Any) -> Any:
    """Returns (N, T, heads, size) as (N, T, heads * size)."""
    return tf.reshape(x, [*x.shape[:-2], x.shape[-2] * x.shape[-1]])


@contextmanager
def watched_weights(calls: Calls, note: Callable[[Attention, Any], None]) -> Iterator[None]:
    """Tells the weights of attention of calls whose softmax is inside of one operation."""
    found = {kind: kind._compute_attention for kind in _CLASSES}

    def watched(original: Any) -> Any:
        names = inspect.signature(original)

        def compute(self: Any, *arguments: Any, **keywords: Any) -> Any:
            result = original(self, *arguments, **keywords)
            attention = calls.attention
            if attention is not None and attention.layer is self and not attention.has_weights:
                given = names.bind(self, *arguments, **keywords)
                given.apply_defaults()
                note(attention, _weights(self, given.arguments))
            return result

        return compute

    for kind, original in found.items():
        kind._compute_attention = watched(original)
    try:
        yield
    finally:
        for kind, original in found.items():
            kind._compute_attention = original


def _weights(layer: Any, given: Any) -> Any:
    """Returns softmax(query key^T scale), (N, heads, T, S), of projected tensors."""
    query, key, mask = given["query"], given["key"], given["attention_mask"]
    scores = tf.einsum("btnh,bsnh->bnts", query, key) * tf.cast(scale_of(layer), query.dtype)
    allowed = tf.ones_like(scores, dtype=tf.bool)
    if mask is not None:
        mask = tf.cast(mask, tf.bool)
        allowed = allowed & (mask if len(mask.shape) == 4 else mask[:, None])
    if given.get("use_causal_mask"):
        allowed = tf.linalg.band_part(allowed, -1, 0)
    return tf.nn.softmax(tf.where(allowed, scores, tf.cast(_MASKED, scores.dtype)))


def kernel_inputs(layer: keras.Layer) -> int:
    """Returns how many axes of the kernel of an EinsumDense are those of its input.

    They come first, and both input and output end with theirs: then it is a dense layer whose
    features are several axes. 0 for any other equation.
    """
    given, _, rest = str(layer.equation).replace(" ", "").replace("...", "").partition(",")
    kernel, _, made = rest.partition("->")
    summed = [letter for letter in kernel if letter in given and letter not in made]
    free = [letter for letter in kernel if letter not in given]
    order = "".join([*summed, *free])
    ends = given.endswith("".join(summed)) and made.endswith("".join(free))
    return len(summed) if order == kernel and summed and free and ends else 0
