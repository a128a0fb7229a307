"""What Keras's layers make of a sequence with a mask, in NumPy: for trials with other masks.

A node of Keras's trace and its inputs go in, with the mask that is tried; its output comes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from parity.data.weight_names import short_name
from parity.divergences.recurrent_steps import OF_CLASS, cell_of, walked

if TYPE_CHECKING:
    from parity.traces.trace import Trace

Array = np.ndarray
RECURRENT = ("lstm", "gru", "simple_rnn")
ATTENTION = ("unknown:Attention", "attention")
MASKED = (*RECURRENT, "bidirectional", "global_average_pool", "batch_norm", *ATTENTION)


def given_mask(keras: Trace, mode: str, name: str, number: int = 0) -> Array | None:
    """Returns the mask of an input of a layer, (N, T); None if it has none that masks a step."""
    key = f"counted/{mode}/{name}/given/{number}"
    if key not in keras:
        return None
    array: Array = keras[key]
    return array


def masks_of(keras: Trace, mode: str, node: Mapping[str, Any]) -> list[Array | None]:
    """Returns the masks of all inputs of a layer: see `given_mask`."""
    number = max(len(node["input_shapes"]), 1)
    return [given_mask(keras, mode, node["name"], n) for n in range(number)]


def is_masked(keras: Trace, mode: str, node: Mapping[str, Any]) -> bool:
    """Whether an input of a layer has a mask that masks a step."""
    return any(mask is not None for mask in masks_of(keras, mode, node))


def inputs_of(keras: Trace, mode: str, node: Mapping[str, Any]) -> list[Array]:
    """Returns what a layer is given in Keras."""
    prefix = f"forward/{mode}/{node['name']}/input"
    return [keras[f"{prefix}/{number}"] for number in range(len(node["input_shapes"]))]


def made_behind(
    keras: Trace,
    mode: str,
    node: Mapping[str, Any],
    chain: Sequence[Mapping[str, Any]],
    inputs: Sequence[Array],
    masks: Sequence[Array | None],
    *,
    keeps: bool = True,
) -> Array | None:
    """Returns what is made behind a layer that is computed with other masks; None if not known.

    Args:
        keras: has the weights.
        mode: of the pass.
        node: of the layer.
        chain: the layers behind it, each with one input.
        inputs: of the layer.
        masks: of its inputs.
        keeps: whether the layers behind it have their own masks, and not none.
    """
    value = output_of(keras, node, inputs, masks)
    for after in chain:
        if value is None:
            return None
        own = masks_of(keras, mode, after)
        value = output_of(keras, after, [value], own if keeps else [None for _ in own])
    return value


def output_of(
    keras: Trace, node: Mapping[str, Any], inputs: Sequence[Array], masks: Sequence[Array | None]
) -> Array | None:
    """Returns the output of a layer, in train mode where it matters; None if it is not known here.

    Args:
        keras: has the weights.
        node: of the layer.
        inputs: (N, T, C) each.
        masks: of the inputs, (N, T), or None; of a bidirectional layer one for each direction, or
            one for both.
    """
    kind, x = str(node["kind"]), inputs[0]
    if kind in ("global_average_pool", "global_max_pool"):
        return _pooled(kind, x, masks[0], bool(node["config"].get("keepdims")))
    if kind in RECURRENT:
        return recurrent_output(keras, node, node["config"], kind, x, masks[0])
    if kind == "bidirectional":
        return _both_ways(keras, node, x, masks if len(masks) > 1 else [masks[0]] * 2)
    if kind == "batch_norm":
        return _normalised(keras, node, x, masks[0])
    if kind in ATTENTION:
        return _attention(node, inputs, masks)
    return None


def _pooled(kind: str, x: Array, mask: Array | None, keepdims: bool) -> Array:
    counts = np.ones(x.shape[:2], bool) if mask is None else mask
    if kind == "global_max_pool":
        return np.asarray(np.where(counts[..., None], x, -np.inf).max(1, keepdims=keepdims))
    total = np.where(counts[..., None], x, 0.0).sum(1, keepdims=keepdims)
    number = counts.sum(1, keepdims=keepdims)[..., None] if keepdims else counts.sum(1)[:, None]
    return np.asarray(total / np.maximum(number, 1))


def recurrent_output(
    keras: Trace,
    node: Mapping[str, Any],
    config: Mapping[str, Any],
    kind: str,
    x: Array,
    mask: Array | None,
    *,
    of: str = "",
    is_whole: bool | None = None,
) -> Array | None:
    """Returns what a recurrent layer returns; None if its weights or activations are not known.

    Args:
        keras: has the weights.
        node: of the layer, or of the bidirectional layer around it.
        config: of the layer itself.
        kind: of the layer itself.
        x: (N, T, C).
        mask: (N, T), or None.
        of: a part of the names of its weights.
        is_whole: whether all steps are returned; None: as the config says.
    """
    cell = cell_of(keras, [name for name in node["weights"] if of in name], config, kind)
    if cell is None or x.ndim != 3:
        return None
    if config.get("go_backwards"):
        x, mask = x[:, ::-1], None if mask is None else mask[:, ::-1]
    found = walked(cell, x, mask=mask)[0]
    whole = bool(config.get("return_sequences")) if is_whole is None else is_whole
    return found if whole else found[:, -1]


def _both_ways(
    keras: Trace, node: Mapping[str, Any], x: Array, masks: Sequence[Array | None]
) -> Array | None:
    config = node["config"]
    inner = config["layer"]["config"]
    kind = OF_CLASS[config["layer"]["class_name"]]
    parts = []
    for number, (of, mask) in enumerate(zip(("forward", "backward"), masks, strict=True)):
        own = {**inner, "go_backwards": bool(number)}
        part = recurrent_output(keras, node, own, kind, x, mask, of=of)
        if part is None:
            return None
        parts.append(part[:, ::-1] if number and part.ndim == 3 else part)
    mode = config.get("merge_mode")
    if mode == "concat":
        return np.concatenate(parts, axis=-1)
    if mode == "mul":
        return np.asarray(parts[0] * parts[1])
    return np.asarray((parts[0] + parts[1]) / (2 if mode == "ave" else 1))


def _normalised(keras: Trace, node: Mapping[str, Any], x: Array, mask: Array | None) -> Array:
    mean, variance = moments(x, mask)
    y = (x - mean) / np.sqrt(variance + node["config"]["epsilon"])
    parts = {short_name(name): keras[f"weights/{name}"] for name in node["weights"]}
    return np.asarray(y * parts.get("gamma", 1.0) + parts.get("beta", 0.0))


def moments(x: Array, mask: Array | None) -> tuple[Array, Array]:
    """Returns mean and variance of each channel over the steps that count."""
    values = x.reshape(-1, x.shape[-1]) if mask is None else x[mask]
    return values.mean(0), values.var(0)


def _attention(
    node: Mapping[str, Any], inputs: Sequence[Array], masks: Sequence[Array | None]
) -> Array | None:
    config = node["config"]
    if config.get("score_mode", "dot") != "dot" or node["weights"] or config.get("use_causal_mask"):
        return None
    query, value = inputs[0], inputs[1]
    key = inputs[2] if len(inputs) > 2 else value
    scores = query @ np.swapaxes(key, -1, -2)
    if len(masks) > 1 and masks[1] is not None:
        scores = np.where(masks[1][:, None], scores, -1e9)
    made = special.softmax(scores, axis=-1) @ value
    return np.asarray(made if masks[0] is None else np.where(masks[0][..., None], made, 0.0))
