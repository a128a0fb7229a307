"""What becomes of each entry of a model's inputs: found by watching one real call.

A model and a batch go in. For each entry of a sample the limits of its tokens come out, if it
chooses rows of a table. An entry is followed through what only moves it (casts, slices, reshapes,
stacks) and through arithmetic, in models and layers of any kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions

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
        if not versions.is_kerass_own(layer):
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
    if not all(map(versions.is_kerass_own, model._flatten_layers())):
        kept += model.trainable_variables  # code of the user's may set them, to mask a kernel
    before = [variable.numpy() for variable in kept]
    try:
        yield
    finally:
        for variable, content in zip(kept, before, strict=True):
            variable.assign(content)
