"""ModelInput: what an input of a model is, and a batch of it.

The halves get the same numbers. An input of numbers is signed, an input of tokens has those that
its tables have, and both may be columns of one array. Padding is drawn where the model masks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from parity.data import probe_inputs

PIXELS = (0, 255)
SIGNED = (-128, 127)  # whole numbers that are neither tokens nor pixels
MAX_DEPTH = 20  # of a structure of inputs


@dataclass(frozen=True)
class Tokens:
    """Entries of an input that choose rows of tables, or columns.

    Attributes:
        low: smallest token; the first row of a table.
        high: largest token.
        padding: a word of `keras_impl.reference.PADDINGS`.
        axis: of a sample, whose entries `at` are the tokens; None: the whole input is tokens.
        at: numbers of these entries.
        known: the tokens that are drawn, in the place of all from `low` to `high`.
    """

    low: int
    high: int
    padding: str = "none"
    axis: int | None = None
    at: tuple[int, ...] = ()
    known: tuple[int, ...] = ()


@dataclass(frozen=True)
class ModelInput:
    """An input of a model.

    Attributes:
        name: Keras's, or the path to it in a dictionary: "user", "user/0".
        shape: of one sample; None: an open side.
        kind: a word of `keras_impl.reference.KINDS`; of an input with tokens in some columns, that
            of the others.
        is_whole: whether its numbers are whole.
        limits: smallest and largest number; None: real numbers are normally distributed, whole ones
            are those of an image or SIGNED.
        tokens: its tokens; none: it has no tokens.
        filler: what fills up steps of real numbers, which a layer `Masking` leaves out; None: there
            are none.
        padding: of the filler, a word of `keras_impl.reference.PADDINGS`.
    """

    name: str
    shape: tuple[int | None, ...]
    kind: str = "numbers"
    is_whole: bool = False
    limits: tuple[float, float] | None = None
    tokens: tuple[Tokens, ...] = field(default=())
    filler: float | None = None
    padding: str = "none"

    @property
    def is_tokens(self) -> bool:
        """Whether all of it is tokens."""
        return self.kind == "tokens"

    def to_json(self) -> dict[str, Any]:
        """Returns name, shape, and the number of tokens up to the largest, or None."""
        count = self.tokens[0].high + 1 if self.is_tokens else None
        return {"name": self.name, "shape": list(self.shape), "tokens": count, "kind": self.kind}

    def drawn(self, seed: int, purpose: str, num: int) -> np.ndarray:
        """Returns `num` samples, each of the shape of the input with its open sides filled in.

        Args:
            seed: of the probe.
            purpose: of the batch: each has its own numbers.
            num: number of samples.

        Returns:
            Of tokens int64, also if only some columns are and the others are whole; booleans; or
            float64, whose values are exact in float32, also of whole numbers.
        """
        name, shape = f"{purpose}/{self.name}", probe_inputs.input_shape(self.shape)
        found = self._numbers(seed, name, num, shape)
        for number, part in enumerate(self.tokens):
            draw = probe_inputs.generator(seed, "tokens", name, number)
            if part.axis is None:
                found[...] = _tokens(draw, part, (num, *shape))
                continue
            where = (slice(None),) * (part.axis + 1) + (list(part.at),)
            found[where] = _tokens(draw, part, found[where].shape)
        if self.filler is not None and len(shape) > 1:
            draw = probe_inputs.generator(seed, "filler", name)
            found[_padded(draw, num, shape[0], self.padding)] = self.filler
            if num > 1 and len(shape) == 2 and shape[1] > 1:  # one such value is no such step
                found[0, shape[0] // 2, 0] = self.filler
        return found

    def _numbers(self, seed: int, name: str, num: int, shape: tuple[int, ...]) -> np.ndarray:
        draw = probe_inputs.generator(seed, "input", name)
        if self.is_tokens:
            return np.zeros((num, *shape), np.int64)
        if self.kind == "booleans":
            return draw.random(size=(num, *shape)) < 0.5
        if self.limits is None and not self.is_whole and self.kind == "numbers":
            return probe_inputs.features(seed, name, num, shape)
        low, high = self.limits or (PIXELS if self.kind == "image" else SIGNED)
        if self.is_whole or self.kind == "image":
            whole = draw.integers(round(low), round(high) + 1, size=(num, *shape))
            return whole if self.tokens else whole.astype(np.float64)
        return probe_inputs.single(draw.uniform(low, high, size=(num, *shape)))


def _tokens(draw: np.random.Generator, part: Tokens, shape: tuple[int, ...]) -> np.ndarray:
    """Returns int64 tokens of a shape, whose first axis is the batch.

    Without padding, a run of the first token is in the last sample: torch's `padding_idx` does not
    train it, and in a large vocabulary it would hardly be drawn.
    """
    is_padded = part.padding != "none" and part.low <= 0 < part.high
    if part.known:
        drawn = draw.choice(np.array(part.known, np.int64), size=shape)
    else:
        drawn = draw.integers(1 if is_padded else part.low, part.high + 1, size=shape)
    axis = next((n for n in range(len(shape) - 1, 0, -1) if shape[n] > 1), None)
    if is_padded and axis is not None:
        rows = np.moveaxis(drawn, axis, -1)
        row = np.indices(rows.shape[:-1]).sum(0).ravel()
        pads = _padded(draw, shape[0], shape[axis], part.padding, row)
        rows[pads.reshape(rows.shape)] = 0
    elif drawn.size and not is_padded:
        last = drawn[-1:].reshape(-1)
        middle = last.size // 2  # a maximum over the sequence takes some of a run
        last[middle : middle + max(1, last.size // 5)] = part.low
        drawn[-1:] = last.reshape(drawn[-1:].shape)
    return drawn


def _padded(
    draw: np.random.Generator, num: int, length: int, padding: str, rows: np.ndarray | None = None
) -> np.ndarray:
    """Returns where sequences are filled up, (rows, length) booleans.

    Of four in a row, the first has no padding, the second is nearly all padding, and two have some:
    at the end, or of "any" also at the beginning and in the middle. Each has a word. A batch of one
    sample has some at the end.

    Args:
        draw: generator.
        num: number of samples.
        length: of a sequence.
        padding: "post" or "any".
        rows: number of each sequence, if a sample has several.
    """
    rows = np.arange(num) if rows is None else rows
    found = np.zeros((len(rows), length), bool)
    for place, number in enumerate(rows.tolist()):
        form = 2 if num == 1 else number % 4
        if length < 2 or form == 0:
            continue
        if form == 1:
            found[place] = True
            found[place, draw.integers(length) if padding == "any" else 0] = False
        elif form == 3 and padding == "any":
            run = max(1, length // 5)
            found[place, :run] = True
            if length >= 4:
                found[place, length // 2 : length // 2 + run] = True
        else:
            found[place, draw.integers(1, length) :] = True
    return found


def packed(structure: Any, leaves: Sequence[Any]) -> Any:
    """Returns inputs in the structure in which the model takes them.

    Args:
        structure: the number of an input, or a list or a mapping of structures.
        leaves: of each input.
    """
    if isinstance(structure, Mapping):
        return {name: packed(part, leaves) for name, part in structure.items()}
    if isinstance(structure, list):
        return [packed(part, leaves) for part in structure]
    return leaves[structure]


def structure_problem(structure: Any, num: int) -> str:
    """Returns what is wrong with a structure that may be from anyone; "" if nothing is.

    Args:
        structure: of inputs, as `packed` takes it.
        num: number of inputs, of which each has its place.
    """
    found: list[Any] = []
    level = [structure]
    for _ in range(MAX_DEPTH):
        parts = [part for part in level if isinstance(part, Mapping | list)]
        found += [part for part in level if not isinstance(part, Mapping | list)]
        level = [leaf for p in parts for leaf in (p.values() if isinstance(p, Mapping) else p)]
    if level:
        return f"it has more than {MAX_DEPTH} levels"
    numbers = [leaf for leaf in found if isinstance(leaf, int) and not isinstance(leaf, bool)]
    if len(numbers) < len(found) or sorted(numbers) != list(range(num)):
        return f"it has {str(found)[:40]}; expected each input from 0 to {num - 1} once"
    return ""
