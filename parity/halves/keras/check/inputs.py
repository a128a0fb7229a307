"""The inputs of a Keras model: what becomes of each entry, its range, and a batch of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_impl.reference import Input, Reference
from parity.data.probe_inputs import input_shape
from parity.data.samples import ModelInput, Tokens, packed
from parity.errors import InputError
from parity.halves.keras import versions
from parity.halves.keras.casts import in_float64
from parity.halves.keras.check.structure import Slot, in_order, refuse_texts, slots_of
from parity.traces.facts import NotCompared

# --- What becomes of each entry of a model's inputs: found by watching one real call --------------
#
# A model and a batch go in. For each entry of a sample the limits of its tokens come out, if it
# chooses rows of a table. An entry is followed through what only moves it (casts, slices, reshapes,
# stacks) and through arithmetic, in models and layers of any kind.


# Operations whose output has the entries of their first input, in the same order.
_SAME_ORDER = frozenset(
    [
        *("Cast", "Identity", "Reshape", "Squeeze", "ExpandDims"),
        *("StopGradient", "PreventGradient", "EnsureShape"),
    ]
)
# Operations that compute an entry from an entry, and perhaps from constants.
_ARITHMETIC = frozenset(
    [
        *("Add", "AddV2", "Sub", "Mul", "FloorDiv", "FloorMod", "Mod", "Maximum", "Minimum"),
        *("Select", "SelectV2", "Abs", "Neg", "Relu", "ClipByValue"),
        *("Floor", "Ceil", "Round", "Rint", "Sign"),
    ]
)
# Operations that ask of an entry what it is, such as whether it is padding.
_QUESTIONS = frozenset(["Equal", "NotEqual", "Shape", "ZerosLike", "OnesLike", "Rank", "Size"])
_RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D")


@dataclass
class Uses:
    """What the entries of all inputs are used for, each an array with a value for each entry.

    An entry has the place of its input, and its own in a sample of it.

    Attributes:
        low: smallest value that every table has, -inf: it reaches no table.
        high: largest such value.
        is_masked: whether 0 is padding, which a layer masks.
        is_number: whether it reaches anything else, too.
        known: numbers of entries -> the values that a look-up knows.
        filler: what `Masking` leaves out, by the number of an input.
        recurrent: names of recurrent layers that take a mask.
    """

    low: np.ndarray
    high: np.ndarray
    is_masked: np.ndarray
    is_number: np.ndarray
    known: list[tuple[np.ndarray, tuple[int, ...]]] = field(default_factory=list)
    filler: dict[int, float] = field(default_factory=dict)
    recurrent: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, num: int) -> Uses:
        """Returns those of entries of which nothing is known."""
        return cls(
            np.full(num, -np.inf), np.full(num, np.inf), np.zeros(num, bool), np.zeros(num, bool)
        )


class _Watch:
    """Follows entries through operations.

    Args:
        fed: tensors of the inputs, (N, ...), all of whose values are equal.
        value: that value.
    """

    def __init__(self, fed: Sequence[Any], value: int) -> None:
        self._value = value
        self._found: dict[int, tuple[np.ndarray, bool]] = {}  # entries, and whether computed with
        self._alive: list[Any] = []  # so that no id is used twice
        self._starts = np.cumsum([0, *(int(np.prod(x.shape[1:])) for x in fed)])
        self.uses = Uses.of(int(self._starts[-1]))
        self._is_muted = False
        for number, tensor in enumerate(fed):
            places = np.arange(self._starts[number], self._starts[number + 1])
            rows = places.reshape(1, *tensor.shape[1:])
            self._put(tensor, np.broadcast_to(rows, tensor.shape), False)

    def _put(self, tensor: Any, entries: np.ndarray, is_computed: bool) -> None:
        self._found[id(tensor)] = entries, is_computed
        self._alive.append(tensor)

    def entries(self, tensor: Any) -> tuple[np.ndarray, bool] | None:
        """Returns the entries of a tensor, -1 for a constant, and whether it was computed."""
        return self._found.get(id(tensor))

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Follows nothing in the block: what happens there is known."""
        before, self._is_muted = self._is_muted, True
        try:
            yield
        finally:
            self._is_muted = before

    def note_operation(self, kind: str, inputs: Any, attributes: Any, outputs: Any) -> None:
        """Notes an operation that was run."""
        if self._is_muted or not any(id(tensor) in self._found for tensor in inputs):
            return
        settings = dict(zip(attributes[::2], attributes[1::2], strict=True))
        if kind == "GatherV2" and id(inputs[1]) in self._found:
            axis = int(inputs[2])
            self.reach(inputs[1], int(inputs[0].shape[axis]))
            return
        if kind == "ResourceGather":
            self.reach(inputs[1], int(tf.raw_ops.VariableShape(input=inputs[0])[0]))
            return
        if kind == "OneHot":
            self.reach(inputs[0], int(inputs[1]))
            return
        moved = _moved(kind, settings, [self.entries(x) for x in inputs], inputs, outputs)
        if moved is not None:
            is_computed = any(self._found[id(x)][1] for x in inputs if id(x) in self._found)
            for tensor, entries in zip(outputs, moved, strict=True):
                self._put(tensor, entries, is_computed)
            return
        given = [x for x in inputs if id(x) in self._found]
        if kind not in _QUESTIONS and any(x.dtype.is_floating for x in given):
            self._note_numbers(given)
        if kind in _ARITHMETIC:
            shape = tuple(outputs[0].shape)
            whole = [self._found[id(x)][0] for x in given if tuple(x.shape) == shape]
            if whole and all((each == whole[0]).all() for each in whole):
                self._put(outputs[0], whole[0], True)

    def _note_numbers(self, tensors: Sequence[Any]) -> None:
        for tensor in tensors:
            entries = self._found[id(tensor)][0]
            self.uses.is_number[entries[entries >= 0]] = True

    def reach(self, tensor: Any, count: int, is_masked: bool = False) -> None:
        """Notes that a tensor chooses among `count` rows or columns."""
        found = self.entries(tensor)
        if found is None:
            return
        entries, is_computed = found
        is_known = entries >= 0
        entries = entries[is_known]
        # A table may begin at 1: its first row is then chosen by 1, of which 1 is subtracted.
        values = np.asarray(tensor)[is_known].astype(np.int64)
        off = values - self._value if is_computed else 0
        np.maximum.at(self.uses.low, entries, 0 - off)
        np.minimum.at(self.uses.high, entries, count - 1 - off)
        self.uses.is_masked[entries] |= is_masked

    def note_layer(self, layer: Any, given: Any) -> bool:
        """Notes the call of a layer that is known; returns whether its operations are known, too.

        Args:
            layer: of any kind.
            given: its first input.
        """
        if not versions.is_from_keras(layer):
            return False
        kind = type(layer).__name__
        if kind == "Embedding":
            self.reach(given, layer.input_dim, bool(layer.mask_zero))
        elif kind == "CategoryEncoding":
            self.reach(given, layer.num_tokens)
        elif kind == "IntegerLookup" and (found := self.entries(given)) is not None:
            words = [int(word) for word in layer.get_vocabulary(include_special_tokens=False)]
            unknown = [max(words, default=0) + 1] if layer.num_oov_indices else []
            entries = found[0][found[0] >= 0]
            self.uses.known.append((np.unique(entries), (*words, *unknown)))
            self.reach_known(entries, (*words, *unknown))
        elif kind == "Masking" and (found := self.entries(given)) is not None:
            entries = found[0][found[0] >= 0]
            for number in np.unique(np.searchsorted(self._starts, entries, "right") - 1):
                self.uses.filler[int(number)] = float(layer.mask_value)
            return False
        else:
            return False
        return True

    def reach_known(self, entries: np.ndarray, words: Sequence[int]) -> None:
        """Notes that entries are looked up among words."""
        self.uses.low[entries], self.uses.high[entries] = min(words), max(words)


def _moved(
    kind: str, settings: Any, found: Sequence[Any], inputs: Any, outputs: Any
) -> list[np.ndarray] | None:
    """Returns the entries of each output of an operation that only moves them, or None."""
    entries = [
        np.full(tuple(x.shape), -1) if each is None else each[0]
        for x, each in zip(inputs, found, strict=True)
    ]
    if kind in _SAME_ORDER:
        return [entries[0].reshape(tuple(outputs[0].shape))] if found[0] is not None else None
    if kind not in _MOVES:
        return None
    values = [None if each is not None else x for x, each in zip(inputs, found, strict=True)]
    made = _MOVES[kind](entries, values, settings)
    return [np.asarray(each) for each in made]


def _strided(entries: Any, values: Any, settings: Any) -> list[Any]:
    masks = {name: value for name, value in settings.items() if name.endswith("_mask")}
    return [tf.strided_slice(entries[0], *values[1:4], **masks)]


# Operation -> its outputs, from the entries and the values of its inputs, and its settings.
_MOVES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "StridedSlice": _strided,
    "Slice": lambda e, v, s: [tf.slice(e[0], v[1], v[2])],
    "Transpose": lambda e, v, s: [np.transpose(e[0], np.asarray(v[1]))],
    "Pack": lambda e, v, s: [np.stack(e, s.get("axis", 0))],
    "Unpack": lambda e, v, s: tf.unstack(e[0], axis=s.get("axis", 0)),
    "ConcatV2": lambda e, v, s: [np.concatenate(e[:-1], int(v[-1]))],
    "Split": lambda e, v, s: np.split(e[1], s["num_split"], int(v[0])),
    "SplitV": lambda e, v, s: tf.split(e[0], v[1], int(v[2])),
    "Tile": lambda e, v, s: [np.tile(e[0], np.asarray(v[1]))],
    "BroadcastTo": lambda e, v, s: [np.broadcast_to(e[0], np.asarray(v[1]))],
    "ReverseV2": lambda e, v, s: [tf.reverse(e[0], v[1])],
    "GatherV2": lambda e, v, s: [
        tf.gather(e[0], v[1], axis=int(v[2]), batch_dims=s.get("batch_dims", 0))
    ],
}


def watched(model: keras.Model, fed: Any, tensors: Sequence[Any], value: int) -> Uses:
    """Calls a model in eval mode, and returns what its inputs are used for.

    Args:
        model: of any kind; its state is left as it was.
        fed: its inputs, as it takes them.
        tensors: the same, one after the other.
        value: of all of their entries.
    """
    watch = _Watch(tensors, value)
    call_layer = versions.Layer.__call__

    def watched_layer(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        kind = type(layer).__name__
        given = [*tf.nest.flatten((arguments, keywords)), None][0]
        if kind in _RECURRENT and versions.used_masks(layer, arguments, keywords):
            watch.uses.recurrent.append(layer.name)
        if watch.note_layer(layer, given):
            with watch.muted():
                return call_layer(layer, *arguments, **keywords)
        return call_layer(layer, *arguments, **keywords)

    with state_kept(model):
        versions.Layer.__call__ = watched_layer
        try:
            with versions.watched_operations(watch.note_operation):
                model(fed, training=False)
        finally:
            versions.Layer.__call__ = call_layer
    return watch.uses


@contextmanager
def state_kept(model: keras.Model) -> Iterator[None]:
    """Gives a model back what calls in the block change: statistics, generators, its own state."""
    kept = [v for v in model.non_trainable_variables if v is not None]
    kept += [v for v in model.variables if "seed_generator" in versions.path_of(v)]
    if not all(map(versions.is_from_keras, model._flatten_layers())):
        kept += model.trainable_variables  # code of the user's may set them, to mask a kernel
    before = [variable.numpy() for variable in kept]
    try:
        yield
    finally:
        for variable, content in zip(kept, before, strict=True):
            variable.assign(content)


# --- The range of numbers that a Keras model takes: those of which it makes no NaN ----------------
#
# Inputs are drawn from both sides of zero, and the logarithm or the root of a negative number is
# NaN, of which nothing can be compared. The inputs go in. Those come out, with a range where one is
# needed: that of the program's own samples, or the numbers between 0 and 1.


_POSITIVE = (0.0, 1.0)


def in_range(
    reference: Reference, structure: Any, inputs: Sequence[ModelInput], num: int
) -> tuple[tuple[ModelInput, ...], list[NotCompared]]:
    """Returns the inputs of a model, each with a range if the model makes NaN without one.

    Args:
        reference: of the model, which has its weights.
        structure: in which the model takes its inputs.
        inputs: what each is.
        num: size of the batch that is tried.

    Returns:
        The inputs, as they are if no range helps; and entries of the fact `not_compared`.
    """
    found = tuple(inputs)
    open_sides = [n for n, each in enumerate(found) if _is_open(each)]
    if not open_sides or not _makes_nan(reference, structure, found, num):
        return found, []
    known = _ranges_of_samples(reference, found)
    for ranges in (known, {}) if known else ({},):
        tried = _limited(found, ranges, open_sides)
        if _makes_nan(reference, structure, tried, num):
            continue
        for number in open_sides:  # most inputs need none
            freed = (*tried[:number], found[number], *tried[number + 1 :])
            if not _makes_nan(reference, structure, freed, num):
                tried = freed
        return tried, [_range_note(each) for n, each in enumerate(tried) if each is not found[n]]
    return found, []


def _is_open(each: ModelInput) -> bool:
    """Whether real numbers of both signs are drawn."""
    return each.kind == "numbers" and each.limits is None and not (each.is_whole or each.tokens)


def _limited(
    inputs: Sequence[ModelInput], ranges: dict[int, tuple[float, float]], places: Sequence[int]
) -> tuple[ModelInput, ...]:
    limited = list(inputs)
    for number in places:
        limited[number] = replace(limited[number], limits=ranges.get(number, _POSITIVE))
    return tuple(limited)


def _ranges_of_samples(
    reference: Reference, inputs: Sequence[ModelInput]
) -> dict[int, tuple[float, float]]:
    """Returns the least and the greatest number of each input in what `fit` gets, by place."""
    x = in_order(reference, reference.x)
    arrays = x if isinstance(x, list | tuple) else [x]
    found = {}
    for number, array in enumerate(arrays[: len(inputs)]):
        if isinstance(array, np.ndarray) and array.dtype.kind in "fiu" and array.size:
            low, high = float(array.min()), float(array.max())
            if np.isfinite([low, high]).all() and low < high:
                found[number] = low, high
    return found


def _makes_nan(
    reference: Reference, structure: Any, inputs: Sequence[ModelInput], num: int
) -> bool:
    """Whether an output has a NaN; a model that does not take the inputs is judged elsewhere."""
    x = [tf.constant(each.drawn(0, "range", num)) for each in inputs]
    try:
        with state_kept(reference.model), in_float64():
            made = reference.model(packed(structure, x), training=False)
    except Exception:  # of the user's code
        return False
    flat = [value for value in tf.nest.flatten(made) if tf.is_tensor(value)]
    return any(np.isnan(v.numpy()).any() for v in flat if v.dtype.is_floating)


def _range_note(each: ModelInput) -> NotCompared:
    assert each.limits is not None
    low, high = (f"{side:.4g}" for side in each.limits)
    why = (
        "the Keras model makes NaN of numbers of both signs; say range=(low, high) in "
        "keras_impl.Input if others are to be drawn"
    )
    what = f"numbers of the input {each.name} outside of {low} to {high}"
    return {"what": what, "why": why, "arrays": []}


# --------------------------------------------------------------------------------------------------
#
# The inputs of a Keras model: their structure, what each of them is, and the size of a batch.
#
# A reference goes in. `Inputs` comes out: what the probes draw, and how the model is fed with it.


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
        structure: how the model takes them; see `parity.data.samples.packed`.
        batch_size: the only one that the model takes, or None.
        left_out: what is not drawn, and therefore not compared: entries of the fact `not_compared`.
    """

    each: tuple[ModelInput, ...]
    structure: Any
    batch_size: int | None = None
    left_out: tuple[NotCompared, ...] = ()


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
    fixed_size = _batch_size(reference.model)
    if fixed_size is None and stateful_layers(reference.model):
        fixed_size = batch_size
    slots, uses, dtype = _with_uses(reference.model, structure, slots, fixed_size or batch_size)
    each, left_out = [], _of_batches(fixed_size)
    at = 0
    for number, slot in enumerate(slots):
        slot = slot if slot.dtype else replace(slot, dtype=dtype)
        shape = input_shape(slot.shape)
        part = slice(at, at := at + math.prod(shape))
        each.append(_planned(slot, shape, uses, part, number))
        left_out += _left_out(each[-1], uses, part)
    ranged, notes = in_range(reference, structure, each, fixed_size or batch_size)
    return Inputs(ranged, structure, fixed_size, (*left_out, *notes))


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
    settings = slot.told
    is_whole = "int" in slot.dtype
    kind = "image" if slot.dtype.startswith("uint") else "numbers"
    kind = "booleans" if slot.dtype == "bool" else kind
    found = ModelInput(slot.name, slot.shape, settings.kind or kind, is_whole, settings.limits)
    filling = settings.padding or ("post" if uses.recurrent else "any")
    if number in uses.filler and filling != "none":
        found = replace(found, filler=uses.filler[number], padding=filling)
    if found.is_tokens:
        low, high = settings.limits or (0, 0)
        padding = settings.padding or (filling if uses.is_masked[part].any() else "none")
        return replace(found, tokens=(Tokens(int(low), int(high), padding),))
    if settings.kind:
        return found
    return _with_tokens(found, shape, uses, part, filling, settings)


def _with_tokens(
    found: ModelInput,
    shape: tuple[int, ...],
    uses: Uses,
    part: slice,
    filling: str,
    settings: Input,
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
    if settings.limits:
        low, high = (
            np.where(is_token, settings.limits[0], low),
            np.where(is_token, settings.limits[1], high),
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


def _of_batches(fixed_size: int | None) -> list[NotCompared]:
    """Returns what a model that takes batches of one size leaves out."""
    if fixed_size is None:
        return []
    why = f"the Keras model takes batches of {fixed_size} alone"
    return [{"what": "batches of other sizes, such as a last one", "why": why, "arrays": []}]


def _left_out(found: ModelInput, uses: Uses, part: slice) -> list[NotCompared]:
    """Returns what is not drawn of an input."""
    notes: list[NotCompared] = []
    is_token = np.isfinite(uses.low[part])
    if found.tokens and (uses.is_number[part] & is_token).any():
        low, high = found.tokens[0].low, found.tokens[0].high
        why = f"it chooses rows of a table, too, and is drawn from {low} to {high}"
        notes.append({"what": f"other numbers in the input {found.name}", "why": why, "arrays": []})
    paddings = {found.padding, *(tokens.padding for tokens in found.tokens)}
    if "post" in paddings and uses.recurrent:
        why = f"recurrent layers ({', '.join(uses.recurrent)}) take sequences that end with it; "
        why += 'say padding="any" in keras_impl.Input if yours may begin with it'
        notes.append(
            {"what": f"padding at the beginning of {found.name}", "why": why, "arrays": []}
        )
    return notes
