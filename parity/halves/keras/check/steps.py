"""Steps of a Keras optimizer, as `fit` makes them, for all weights or number by number."""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any

import keras
import numpy as np
import tensorflow as tf

from parity.halves.keras import versions
from parity.halves.keras.schedules import has_schedule
from parity.halves.memory import give_back_free_blocks

# --- Steps of a Keras optimizer, as `fit` makes them, and back to where it began ------------------
#
# A built model goes in; each call takes gradients and moves the weights. The step is compiled once,
# since Keras's optimizers take some thirty operations for each weight. TensorFlow may not rewrite
# the compiled operations, so that they round as they do one by one.


class Steps:
    """The optimizer of a model, before its first step."""

    def __init__(self, model: keras.Model) -> None:
        """Creates the slots.

        Args:
            model: compiled, with an optimizer, and built. Its weights may change later.
        """
        self._optimizer: Any = model.optimizer
        self._variables = model.trainable_variables
        versions.build_optimizer(self._optimizer, self._variables)
        self._state = [np.asarray(v.numpy()) for v in versions.state_of(self._optimizer)]
        # In Keras 2 the rate is not among the variables of an optimizer.
        has_rate = not has_schedule(self._optimizer)
        self._rate = float(self._optimizer.learning_rate) if has_rate else None
        is_compiled = not getattr(model, "run_eagerly", False)
        self._step: Any = tf.function(self._apply) if is_compiled else self._apply

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return float(self._optimizer.learning_rate)

    def make(self, gradients: Iterable[Any]) -> None:
        """Moves the weights.

        Args:
            gradients: a tensor for each trainable weight, in the order of the model.
        """
        with operations_as_they_are():
            self._step(list(gradients))

    def begin_again(self) -> None:
        """Sets counter, rate and slots to what they were; the weights stay."""
        for variable, value in zip(versions.state_of(self._optimizer), self._state, strict=True):
            variable.assign(value)
        if self._rate is not None:
            self._optimizer.learning_rate = self._rate

    def _apply(self, gradients: list[Any]) -> None:
        versions.apply(self._optimizer, gradients, self._variables)


@contextmanager
def operations_as_they_are() -> Iterator[None]:
    """Turns off what rewrites a compiled function: it changes sums by some units of rounding."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        is_off = before.get("disable_meta_optimizer", False)
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": is_off})


# --- What an optimizer keeps for the pieces of a long variable, in a file if it is much -----------
#
# The slots of Adam are as large as two models, and are asked for once in each step, one piece
# behind the other. Without a place for a file, they stay in memory.


MOST_IN_MEMORY = 2**28  # bytes of all pieces; what is more goes to a file

State = list[np.ndarray]


class KeptStates:
    """The states of pieces: arrays of the same shapes for each, which nobody changes in place.

    Args:
        start: state of each piece until it is set.
        num_pieces: that there are.
    """

    def __init__(self, start: Sequence[np.ndarray], num_pieces: int) -> None:
        self._start = [np.array(array) for array in start]
        self._size = sum(array.nbytes for array in self._start)
        self._in_memory: dict[int, State] = {}
        self._written: set[int] = set()
        self._file: IO[bytes] | None = None
        if self._size * num_pieces > MOST_IN_MEMORY:
            with suppress(OSError):
                self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - until `clear`
                weakref.finalize(self, self._file.close)

    def __getitem__(self, piece: int) -> State:
        if piece in self._written:
            assert self._file is not None
            self._file.seek(piece * self._size)
            return [
                np.fromfile(self._file, array.dtype, array.size).reshape(array.shape)
                for array in self._start
            ]
        return self._in_memory.get(piece, self._start)

    def __setitem__(self, piece: int, state: Sequence[np.ndarray]) -> None:
        self._written.discard(piece)
        self._in_memory.pop(piece, None)
        if self._file is not None:
            with suppress(OSError):  # the disk is full
                self._file.seek(piece * self._size)
                for array in state:
                    _write(self._file, array)
                self._written.add(piece)
                return
        self._in_memory[piece] = list(state)

    def clear(self) -> None:
        """Gives all states up, and the file; no piece is asked for any more."""
        self._in_memory.clear()
        self._written.clear()
        if self._file is not None:
            self._file.close()
        self._file = None


def _write(file: IO[bytes], array: np.ndarray) -> None:
    """Writes all of an array: a single call may write less."""
    left = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    while left:
        left = left[file.write(left) :]


# --------------------------------------------------------------------------------------------------
#
# Steps of an optimizer that treats every number by itself, with all weights in one variable.
#
# Keras's optimizers take some thirty operations for each weight, of which a network has hundreds.
# Adam, say, computes with each number alone, so that one long variable gets the same numbers in
# thirty operations altogether. Large networks go through this variable piece by piece: a piece
# stays in the cache of a processor, and of the weights and their gradients there is no second copy.
# The optimizer of the model stays as it is: a copy makes the steps.


# Of Keras, by the name of the class. Lamb, Muon and Adafactor take norms and means of a weight.
_ONE_BY_ONE = frozenset(
    ("SGD", "Adam", "AdamW", "Adamax", "Nadam", "RMSprop", "Adagrad", "Adadelta", "Ftrl", "Lion")
)
# Settings by which an optimizer looks at a whole weight or its name, or keeps more than slots.
_BY_WEIGHT = (
    *("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps"),
    *("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern"),
)

# Numbers in the variable: 1.5 MiB of each slot, and of what a step computes. Larger blocks would be
# given back after each of some thirty operations (`parity.halves.protocol`).
_MAX_LENGTH = 3 * 2**16
_PIECES_AT_ONCE = 20  # gradients and weights that they leave are given back behind so many
_MANY_PIECES = 8  # for so many, compiling the step takes less time than it saves


def is_one_by_one(model: keras.Model) -> bool:
    """Whether the optimizer of a model, before its first step, treats every number by itself."""
    optimizer: Any = model.optimizer
    kind = type(optimizer)
    is_known = kind.__name__ in _ONE_BY_ONE and kind.__module__.startswith("keras.src.")
    if versions.IS_KERAS_2 or not is_known or optimizer.built:
        return False
    weights = model.trainable_variables
    return (
        not any(getattr(optimizer, name, None) for name in _BY_WEIGHT)
        and all(weight.constraint is None for weight in weights)
        and len({weight.dtype for weight in weights}) == 1
    )


class FlatSteps:
    """Steps of a copy of an optimizer, for arrays that are kept here.

    Args:
        optimizer: of a model for which `is_one_by_one` holds; its rate counts in every step, so
            that callbacks may change it.
        arrays: where the steps begin.
    """

    def __init__(self, optimizer: Any, arrays: Sequence[np.ndarray]) -> None:
        self._walk = _Walk(optimizer, arrays)
        self._arrays = list(arrays)

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._walk.rate

    def make(self, gradients: Sequence[Any]) -> None:
        """Makes one step.

        Args:
            gradients: one of each array.
        """
        self._arrays = list(self._walk.step(self._arrays, gradients))

    def arrays(self) -> Iterator[np.ndarray]:
        """Yields the arrays after the steps so far."""
        return iter(self._arrays)

    def slots(self) -> Iterator[tuple[str, int, np.ndarray]]:
        """Yields (slot, number of the array, value)."""
        return self._walk.slots()


class OneByOneSteps:
    """Steps of an optimizer that treats every number by itself, which takes less time.

    Args:
        model: one for which `is_one_by_one` holds, with the weights where the steps begin.
    """

    def __init__(self, model: keras.Model) -> None:
        self._optimizer: Any = model.optimizer
        self._variables = model.trainable_variables
        self._walk = _Walk(self._optimizer, self._variables)
        self._rate = None if has_schedule(self._optimizer) else self.rate

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        return self._walk.rate

    def make(self, gradients: Iterable[Any]) -> None:
        """Moves the weights, as `Steps.make` does, from where they are.

        A call may have moved them, too: SpectralNormalization divides its kernel by its norm.
        """
        before = (variable.numpy() for variable in self._variables)
        after = self._walk.step(before, gradients)
        for variable, value in zip(self._variables, after, strict=True):
            variable.assign(value)

    def begin_again(self) -> None:
        """Sets the rate to what it was; steps that follow are those of another copy.

        What this one keeps is given up, slots as large as two models.
        """
        self._walk.forget()
        if self._rate is not None:
            self._optimizer.learning_rate = self._rate


class _Walk:
    """The variable, and what the optimizer keeps for each piece that goes through it."""

    def __init__(self, optimizer: Any, arrays: Sequence[Any]) -> None:
        self._original = optimizer
        self._optimizer = _copied(optimizer)
        self._shapes = [tuple(array.shape) for array in arrays]
        self._lengths = [math.prod(shape) for shape in self._shapes]
        self._pieces = _pieces(self._lengths)
        size = min(sum(self._lengths), _MAX_LENGTH)
        dtype = arrays[0].dtype if arrays else "float64"
        self._variable = keras.Variable(np.zeros(size), dtype=dtype, name="piece")
        versions.build_optimizer(self._optimizer, [self._variable])
        self._states = KeptStates(self._state(), len(self._pieces))
        self._now = 0  # the piece whose state the optimizer has
        # A schedule that is compiled rounds in another way.
        is_compiled = len(self._pieces) >= _MANY_PIECES and not has_schedule(self._optimizer)
        self._apply: Any = tf.function(self._applied) if is_compiled else self._applied

    @property
    def rate(self) -> float:
        of = self._optimizer if has_schedule(self._optimizer) else self._original
        return float(of.learning_rate)

    def step(self, arrays: Iterable[np.ndarray], gradients: Iterable[Any]) -> Iterator[np.ndarray]:
        """Yields the arrays after one step, each when it is done."""
        values, slopes, rate = iter(arrays), iter(gradients), self.rate
        open_: dict[int, tuple[np.ndarray, np.ndarray]] = {}  # array -> its numbers, its gradient
        for number, piece in enumerate(self._pieces):
            if len(self._pieces) > _PIECES_AT_ONCE and not number % _PIECES_AT_ONCE:
                give_back_free_blocks()
            for part in piece:
                if part.array not in open_:
                    slope = np.asarray(tf.convert_to_tensor(next(slopes)))
                    open_[part.array] = np.array(next(values)).reshape(-1), slope.reshape(-1)
            self._enter(number)
            if not has_schedule(self._optimizer):
                self._optimizer.learning_rate = rate
            joined = [
                self._joined([open_[part.array][n][part.place] for part in piece]) for n in (0, 1)
            ]
            self._variable.assign(joined[0])
            with operations_as_they_are():
                self._apply(tf.constant(joined[1]))
            moved, start = self._variable.numpy(), 0
            for part in piece:
                end = start + part.place.stop - part.place.start
                open_[part.array][0][part.place] = moved[start:end]
                start = end
                if part.place.stop == self._lengths[part.array]:
                    yield open_.pop(part.array)[0].reshape(self._shapes[part.array])

    def forget(self) -> None:
        """Gives up what the optimizer keeps for each piece; no step follows."""
        self._states.clear()

    def slots(self) -> Iterator[tuple[str, int, np.ndarray]]:
        found: dict[tuple[str, int], list[np.ndarray]] = {}
        for number, piece in enumerate(self._pieces):
            self._enter(number)
            for slot, variable in versions.slots(self._optimizer, self._variable):
                value, start = variable.numpy(), 0
                for part in piece:
                    end = start + part.place.stop - part.place.start
                    found.setdefault((slot, part.array), []).append(value[start:end])
                    start = end
        for (slot, number), parts in found.items():
            yield slot, number, np.concatenate(parts).reshape(self._shapes[number])

    def _applied(self, gradient: Any) -> None:
        versions.apply(self._optimizer, [gradient], [self._variable])

    def _joined(self, parts: list[np.ndarray]) -> np.ndarray:
        """Returns numbers side by side, with zeros behind those of the last piece."""
        length = sum(len(part) for part in parts)
        left = self._variable.shape[0] - length
        if left:
            parts = [*parts, np.zeros(left, parts[0].dtype)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _state(self) -> list[np.ndarray]:
        """Returns what the optimizer keeps."""
        return [np.asarray(each) for each in versions.state_of(self._optimizer)]

    def _enter(self, number: int) -> None:
        """Gives the optimizer what it keeps for a piece: slots, and the number of steps."""
        if number == self._now:
            return
        self._states[self._now] = self._state()
        self._now = number
        state = zip(versions.state_of(self._optimizer), self._states[number], strict=True)
        for variable, value in state:
            variable.assign(value)


@dataclass(frozen=True)
class _Part:
    """A part of an array.

    Attributes:
        array: number of the array.
        place: of its numbers, all of them in a row.
    """

    array: int
    place: slice


def _pieces(lengths: Sequence[int]) -> list[list[_Part]]:
    """Cuts arrays, one behind the other, into pieces of one length; the last may be shorter."""
    pieces: list[list[_Part]] = []
    free = 0
    for array, length in enumerate(lengths):
        start = 0
        while start < length or not length:
            if not free:
                pieces.append([])
                free = _MAX_LENGTH
            end = min(length, start + free)
            pieces[-1].append(_Part(array, slice(start, end)))
            free, start = free - (end - start), end
            if end == length:
                break
    return pieces


def _copied(optimizer: Any) -> Any:
    """Returns an optimizer of the same settings, before its first step.

    `copy.deepcopy` would save it and load it, which fails for a schedule of the user's own.
    """
    config = optimizer.get_config()
    copied = type(optimizer).from_config({**config, "learning_rate": 0.0})
    for name in config.keys() - {"learning_rate", "name"}:
        # As it stands: the perturbed pass keeps more digits than a configuration.
        setattr(copied, name, getattr(optimizer, name))
    if has_schedule(optimizer):
        copied._learning_rate = optimizer._learning_rate
    return copied
