"""The inputs of a Keras model: their structure, what each of them is, and the size of a batch.

A reference goes in. `Inputs` comes out: what the probes draw, and how the model is fed with it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.data.model_inputs import ModelInput, Tokens, packed
from parity.data.probe_inputs import input_shape
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.ranges import in_range
from parity.halves.keras.check.structure import Slot, refuse_texts, slots_of
from parity.halves.keras.check.uses import Uses, watched

# What the model is called with to see what its inputs are used for: it is a row of most tables.
_VALUES = (1, 0, 2)
# Lengths of open sides for a model that does not take the usual ones, such as one with a table of
# positions, which ends.
_SHORTER = (32, 24, 16, 12, 10, 8, 7, 6, 5, 4, 3, 2, 1)


@dataclass(frozen=True)
class Inputs:
    """The inputs of a model.

    Attributes:
        each: what every input is, in Keras's order.
        structure: how the model takes them; see `parity.data.model_inputs.packed`.
        batch_size: the only one that the model takes, or None.
        left_out: what is not drawn, and therefore not compared: entries of the fact `not_compared`.
    """

    each: tuple[ModelInput, ...]
    structure: Any
    batch_size: int | None = None
    left_out: tuple[dict[str, Any], ...] = ()


def inputs_of(reference: Reference, batch_size: int) -> Inputs:
    """Returns the inputs of a model, which is built if it was not.

    Args:
        reference: the model.
        batch_size: of the probes, unless the model has one of its own.

    Raises:
        InputError: its inputs are not known, or not what `Reference(inputs=...)` says.
    """
    refuse_texts(reference.model)
    structure, slots = slots_of(reference)
    own = _batch_size(reference.model)
    if own is None and stateful_layers(reference.model):
        own = batch_size
    slots, uses, dtype = _with_uses(reference.model, structure, slots, own or batch_size)
    each, left_out = [], _of_batches(own)
    at = 0
    for number, slot in enumerate(slots):
        slot = slot if slot.dtype else replace(slot, dtype=dtype)
        shape = input_shape(slot.shape)
        part = slice(at, at := at + math.prod(shape))
        each.append(_planned(slot, shape, uses, part, number))
        left_out += _left_out(each[-1], uses, part)
    ranged, told = in_range(reference, structure, each, own or batch_size)
    return Inputs(ranged, structure, own, (*left_out, *told))


def stateful_layers(model: keras.Model) -> list[Any]:
    """Returns the recurrent layers that keep their state from batch to batch."""
    layers = model._flatten_layers()
    return [each for each in layers if getattr(each, "stateful", False) and hasattr(each, "cell")]


def reset_states(model: keras.Model) -> None:
    """Sets the state of recurrent layers that keep it to zeros."""
    for layer in stateful_layers(model):
        if layer.built:
            layer.reset_states() if versions.IS_KERAS_2 else layer.reset_state()


def _batch_size(model: keras.Model) -> int | None:
    """Returns the only batch size that a model takes, or None."""
    sizes = [tensor.shape[0] for tensor in getattr(model, "inputs", None) or []]
    return next((int(size) for size in sizes if size is not None), None)


# --- what the inputs are used for ----------------------------------------------------------------


def _with_uses(
    model: keras.Model, structure: Any, slots: list[Slot], num: int
) -> tuple[list[Slot], Uses, str]:
    """Returns inputs of a length that the model takes, what they are used for, and their dtype.

    Inputs that the model does not take in any length stay as they are, and of no use that is known.
    """
    is_open = any(None in slot.shape for slot in slots)
    for length in (None, *(_SHORTER if is_open else ())):
        tried = slots if length is None else [_of_length(slot, length) for slot in slots]
        if (found := _uses(model, structure, tried, num)) is not None:
            return tried, *found
    num_entries = sum(math.prod(input_shape(slot.shape)) for slot in slots)
    return slots, Uses.of(num_entries), "float64"


def _of_length(slot: Slot, length: int) -> Slot:
    """Returns an input whose first open side has a length, and whose others are shorter by one."""
    lengths = itertools.count(length, -1)
    sides = (max(1, next(lengths)) if side is None else side for side in slot.shape)
    return replace(slot, shape=tuple(sides))


def _uses(
    model: keras.Model, structure: Any, slots: Sequence[Slot], num: int
) -> tuple[Uses, str] | None:
    """Returns what the inputs are used for, and the dtype of those whose dtype is not known.

    None: the model does not take them.
    """
    shapes = [input_shape(slot.shape) for slot in slots]
    is_known = all(slot.dtype for slot in slots)
    for dtype in ("float64",) if is_known else ("float64", "int64"):
        for value in _VALUES:
            tensors = [
                _filled(value, (num, *shape), slot.dtype or dtype)
                for slot, shape in zip(slots, shapes, strict=True)
            ]
            with suppress(Exception), in_float64():  # what the model does not take, it refuses
                found = watched(model, packed(structure, tensors), tensors, value)
                return found, dtype
    return None


def _filled(value: int, shape: tuple[int, ...], dtype: str) -> Any:
    if dtype == "bool":
        return tf.fill(shape, True)
    kind = tf.as_dtype(dtype)
    return tf.fill(shape, tf.cast(value, tf.float64 if kind.is_floating else kind))


def _planned(
    slot: Slot, shape: tuple[int, ...], uses: Uses, part: slice, number: int
) -> ModelInput:
    """Returns what an input is: as the user tells it, else as the model uses it."""
    told = slot.told
    is_whole = "int" in slot.dtype
    kind = "image" if slot.dtype.startswith("uint") else "numbers"
    kind = "booleans" if slot.dtype == "bool" else kind
    found = ModelInput(slot.name, slot.shape, told.kind or kind, is_whole, told.limits)
    filling = told.padding or ("post" if uses.recurrent else "any")
    if number in uses.filler and filling != "none":
        found = replace(found, filler=uses.filler[number], padding=filling)
    if found.is_tokens:
        low, high = told.limits or (0, 0)
        padding = told.padding or (filling if uses.is_masked[part].any() else "none")
        return replace(found, tokens=(Tokens(int(low), int(high), padding),))
    if told.kind:
        return found
    return _with_tokens(found, shape, uses, part, filling, told)


def _with_tokens(
    found: ModelInput,
    shape: tuple[int, ...],
    uses: Uses,
    part: slice,
    filling: str,
    told: Input,
) -> ModelInput:
    """Returns an input with the tokens that the model uses."""
    low, high = uses.low[part], uses.high[part]
    is_token = np.isfinite(low)
    if not is_token.any():
        return found
    if (low[is_token] > high[is_token]).any():
        raise InputError(
            f"input {found.name!r} of the Keras model chooses rows of tables that have no number "
            "in common; say which it takes: Reference(model, inputs=keras_impl.Input(range=...))"
        )
    if told.limits:
        low, high = (
            np.where(is_token, told.limits[0], low),
            np.where(is_token, told.limits[1], high),
        )
    groups = np.stack([low, high, uses.is_masked[part]], -1)
    axis = _axis_of(groups.reshape(*shape, 3), len(shape))
    if axis is None:
        return replace(found, kind="tokens", tokens=(_tokens(groups[0], filling, uses, part),))
    # A column is of tokens if any of its entries is.
    columns = np.moveaxis(groups.reshape(*shape, 3), axis, 0).reshape(shape[axis], -1, 3)
    by_group: dict[tuple[float, ...], list[int]] = {}
    for place, column in enumerate(columns):
        rows = column[np.isfinite(column[:, 0])]
        if len(rows):
            key = (rows[:, 0].max(), rows[:, 1].min(), rows[:, 2].max())
            by_group.setdefault(key, []).append(place)
    parts = tuple(
        replace(_tokens(np.array(key), filling, uses, part), axis=axis, at=tuple(places))
        for key, places in by_group.items()
    )
    return replace(found, tokens=parts)


def _axis_of(groups: np.ndarray, rank: int) -> int | None:
    """Returns the axis of a sample whose columns differ in what they are; None: none does."""
    flat = groups.reshape(-1, groups.shape[-1])
    if (flat == flat[0]).all():
        return None
    for axis in reversed(range(rank)):
        columns = np.moveaxis(groups, axis, 0)
        columns = columns.reshape(columns.shape[0], -1, groups.shape[-1])
        if (columns == columns[:, :1]).all():
            return axis
    return rank - 1


def _tokens(group: np.ndarray, filling: str, uses: Uses, part: slice) -> Tokens:
    known = next(
        (
            words
            for entries, words in uses.known
            if ((entries >= part.start) & (entries < part.stop)).any()
        ),
        (),
    )
    return Tokens(int(group[0]), int(group[1]), filling if group[2] else "none", known=known)


def _of_batches(own: int | None) -> list[dict[str, Any]]:
    """Returns what a model that takes batches of one size leaves out."""
    if own is None:
        return []
    why = f"the Keras model takes batches of {own} alone"
    return [{"what": "batches of other sizes, such as a last one", "why": why, "arrays": []}]


def _left_out(found: ModelInput, uses: Uses, part: slice) -> list[dict[str, Any]]:
    """Returns what is not drawn of an input."""
    told = []
    is_token = np.isfinite(uses.low[part])
    if found.tokens and (uses.is_number[part] & is_token).any():
        low, high = found.tokens[0].low, found.tokens[0].high
        why = f"it chooses rows of a table, too, and is drawn from {low} to {high}"
        told.append({"what": f"other numbers in the input {found.name}", "why": why, "arrays": []})
    paddings = {found.padding, *(tokens.padding for tokens in found.tokens)}
    if "post" in paddings and uses.recurrent:
        why = f"recurrent layers ({', '.join(uses.recurrent)}) take sequences that end with it; "
        why += 'say padding="any" in keras_impl.Input if yours may begin with it'
        told.append({"what": f"padding at the beginning of {found.name}", "why": why, "arrays": []})
    return told
