"""The inputs of a Keras model: their structure, what each of them is, and the size of a batch.

A reference goes in. `Inputs` comes out: what the probes draw, and how the model is fed with it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.harness import versions
from keras_impl.harness.casts import in_float64
from keras_impl.harness.check.uses import Uses, watched
from keras_impl.harness.factories import Input, Reference
from parity.data.model_inputs import ModelInput, Tokens, packed
from parity.data.probe_inputs import input_shape
from parity.errors import InputError

# What the model is called with to see what its inputs are used for: it is a row of most tables.
_VALUES = (1, 0, 2)


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


@dataclass(frozen=True)
class _Slot:
    """An input as the model or its user tells it; of `dtype`, "" is not known."""

    name: str
    shape: tuple[int | None, ...]
    dtype: str
    told: Input


def inputs_of(reference: Reference, batch_size: int) -> Inputs:
    """Returns the inputs of a model, which is built if it was not.

    Args:
        reference: the model.
        batch_size: of the probes, unless the model has one of its own.

    Raises:
        InputError: its inputs are not known, or not what `Reference(inputs=...)` says.
    """
    structure, slots = _slots(reference)
    own = _batch_size(reference.model)
    if own is None and stateful_layers(reference.model):
        own = batch_size
    uses, dtype = _uses(reference.model, structure, slots, own or batch_size)
    each, left_out = [], []
    at = 0
    for number, slot in enumerate(slots):
        slot = slot if slot.dtype else replace(slot, dtype=dtype)
        shape = input_shape(slot.shape)
        part = slice(at, at := at + math.prod(shape))
        each.append(_planned(slot, shape, uses, part, number))
        left_out += _left_out(each[-1], uses, part)
    return Inputs(tuple(each), structure, own, tuple(left_out))


def as_fed(reference: Reference, arrays: Sequence[np.ndarray]) -> Any:
    """Returns the arrays of a batch in the structure in which a model takes them."""
    return packed(_slots(reference)[0], [tf.constant(value) for value in arrays])


def stateful_layers(model: keras.Model) -> list[Any]:
    """Returns the recurrent layers that keep their state from batch to batch."""
    return [
        layer
        for layer in model._flatten_layers()
        if getattr(layer, "stateful", False) is True and hasattr(layer, "cell")
    ]


# --- what the model says -------------------------------------------------------------------------


def _slots(reference: Reference) -> tuple[Any, list[_Slot]]:
    model = reference.model
    tensors = list(getattr(model, "inputs", None) or [])
    if not tensors:
        return _slots_of_own_class(reference)
    nest = getattr(model, "_inputs_struct", None)
    if nest is None:
        nest = getattr(model, "_nested_inputs", None)
    structure, names = _numbered(nest if isinstance(nest, Mapping | list | tuple) else tensors)
    if len(names) != len(tensors) or not isinstance(structure, Mapping):
        names = [tensor.name for tensor in tensors] if _is_flat(structure) else names
    told = _told_of(reference, names)
    slots = [
        _Slot(name, tuple(tensor.shape[1:]), _dtype_of(tensor), given)
        for name, tensor, given in zip(names, tensors, told, strict=True)
    ]
    return structure, slots


def _is_flat(structure: Any) -> bool:
    return isinstance(structure, int) or (
        isinstance(structure, list) and all(isinstance(part, int) for part in structure)
    )


def _slots_of_own_class(reference: Reference) -> tuple[Any, list[_Slot]]:
    """Returns the inputs of a subclassed model, as the user tells them."""
    given: Any = reference.inputs
    if given is None:
        given = [Input(tuple(shape)) for shape in reference.input_shapes]
    has_arrays = reference.x is not None and not versions.IS_KERAS_2
    if given == [] and has_arrays and versions.are_arrays(reference.x):
        given = keras.tree.map_structure(_of_array, reference.x)
    if given is None or given == []:
        raise InputError(
            "the Keras model does not know the shape of its input; build it, start it with "
            "keras.Input, or return keras_impl.Reference(model, inputs=keras_impl.Input(shape))"
        )
    structure, names = _numbered(given)
    leaves = list(_leaves(given))
    for name, leaf in zip(names, leaves, strict=True):
        if not isinstance(leaf, Input) or leaf.shape is None:
            raise InputError(
                f"Reference(inputs=...): input {name!r} is {leaf!r}; expected keras_impl.Input "
                "with a shape, since a subclassed model does not know it"
            )
    slots = [
        _Slot(
            name if isinstance(given, Mapping) else f"input{number}",
            tuple(leaf.shape),
            leaf.dtype or "",
            leaf,
        )
        for number, (name, leaf) in enumerate(zip(names, leaves, strict=True))
    ]
    return structure, slots


def _of_array(array: Any) -> Input:
    """Returns what an array that `fit` gets tells of an input."""
    array = np.asarray(array)
    is_text = array.dtype.kind not in "biuf"
    return Input(array.shape[1:], dtype=None if is_text else array.dtype.name)


def _told_of(reference: Reference, names: Sequence[str]) -> list[Input]:
    """Returns what the user tells of each input of a model that knows its inputs."""
    given: Any = reference.inputs
    if given is None:
        return [Input()] * len(names)
    if isinstance(given, Mapping) and not any(
        isinstance(v, Mapping | list) for v in given.values()
    ):
        if unknown := [str(name) for name in given if name not in names]:
            raise InputError(
                f"Reference(inputs=...): it has {', '.join(unknown)}; expected some of "
                f"{', '.join(names)}, the inputs of the Keras model"
            )
        found = [given.get(name) for name in names]
    else:
        found = list(_leaves(given))
    if len(found) != len(names):
        raise InputError(
            f"Reference(inputs=...): it has {len(found)} inputs; expected {len(names)}: "
            f"{', '.join(names)}; give None for one of which there is nothing to say"
        )
    for name, leaf in zip(names, found, strict=True):
        if leaf is not None and not isinstance(leaf, Input):
            raise InputError(
                f"Reference(inputs=...): input {name!r} is {leaf!r}; expected keras_impl.Input(...)"
            )
    return [Input() if leaf is None else leaf for leaf in found]


def _is_nest(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _leaves(nest: Any) -> Iterator[Any]:
    """Yields the leaves of a nest in Keras's order: that of a mapping is by its names."""
    if isinstance(nest, Mapping):
        for name in sorted(nest):
            yield from _leaves(nest[name])
    elif isinstance(nest, list | tuple):
        for part in nest:
            yield from _leaves(part)
    else:
        yield nest


def _numbered(nest: Any) -> tuple[Any, list[str]]:
    """Returns a nest with a number in the place of each leaf, and the path to each leaf."""
    names: list[str] = []

    def numbered(part: Any, path: str) -> Any:
        if isinstance(part, Mapping):
            return {str(n): numbered(part[n], f"{path}/{n}") for n in sorted(part)}
        if isinstance(part, list | tuple):
            return [numbered(each, f"{path}/{n}") for n, each in enumerate(part)]
        names.append(path.removeprefix("/") or "input")
        return len(names) - 1

    structure = numbered(nest, "")
    if structure == [0]:  # Keras takes the only input of a list as it is
        structure = 0
    return structure, names


def _dtype_of(tensor: Any) -> str:
    return str(getattr(tensor.dtype, "name", tensor.dtype))


def _batch_size(model: keras.Model) -> int | None:
    """Returns the only batch size that a model takes, or None."""
    sizes = [tensor.shape[0] for tensor in getattr(model, "inputs", None) or []]
    return next((int(size) for size in sizes if size is not None), None)


# --- what the inputs are used for ----------------------------------------------------------------


def _uses(model: keras.Model, structure: Any, slots: Sequence[_Slot], num: int) -> tuple[Uses, str]:
    """Returns what the inputs are used for, and the dtype of those whose dtype is not known."""
    for slot in slots:
        if slot.dtype == "string":
            raise InputError(
                f"the Keras model takes text in its input {slot.name!r}; expected numbers: begin "
                "both models behind StringLookup or TextVectorization, with its integers"
            )
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
    return Uses.of(sum(map(math.prod, shapes))), "float64"


def _filled(value: int, shape: tuple[int, ...], dtype: str) -> Any:
    if dtype == "bool":
        return tf.fill(shape, True)
    kind = tf.as_dtype(dtype)
    return tf.fill(shape, tf.cast(value, tf.float64 if kind.is_floating else kind))


def _planned(
    slot: _Slot, shape: tuple[int, ...], uses: Uses, part: slice, number: int
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
