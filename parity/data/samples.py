"""Samples: inputs and targets for the probes of a pair, random or from the user's data."""

from __future__ import annotations

import copy
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from parity.data import probe_inputs
from parity.data.sources import read_npz
from parity.errors import InputError
from parity.programs.check_spec import CheckSpec

# --- ModelInput: what an input of a model is, and a batch of it -----------------------------------
#
# The halves get the same numbers. An input of numbers is signed, an input of tokens has those that
# its tables have, and both may be columns of one array. Padding is drawn where the model masks it.


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


# --- Samples of a user's own, from a `.npz` archive that may be from anyone -----------------------
#
# A path and the inputs of a model go in. An array for each input, and the targets of each output,
# come out. The names are those of the file that train.py of a port reads:
#
#     x, y                    one input, one output; also x_train, y_train
#     x_<input>, y_<output>   several; "." for "/" in a name


_OTHERS = ("_train", "_val", "_test")  # targets that are none of an output


def read_samples(
    path: Path, inputs: Sequence[ModelInput]
) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
    """Returns an array for each input, and targets by the name of their output, "" of an only one.

    Of tokens int64, booleans, else float64 with values of float32; integer targets are int64.
    There may be no targets: some models train without.

    Raises:
        InputError: the archive lacks an input, or an array does not fit.
    """
    names, of_targets = _names(path, inputs)
    arrays = read_npz(path, (*names, *of_targets))
    for name, entry in zip(names, inputs, strict=True):
        _check_shape(path, name, arrays[name], entry)
    _check_lengths(path, arrays)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(f"--data {path}: {name} has values that are not finite numbers")
    targets = {
        output: probe_inputs.single(y.astype(np.float64 if y.dtype.kind == "f" else np.int64))
        for name, output in of_targets.items()
        for y in (arrays[name],)
    }
    found = [
        _as_input(path, name, arrays[name], entry)
        for name, entry in zip(names, inputs, strict=True)
    ]
    return found, targets


def _names(path: Path, inputs: Sequence[ModelInput]) -> tuple[list[str], dict[str, str]]:
    """Returns the names of the arrays of each input, and those of targets with their outputs."""
    read_npz(path, ())  # checks the whole directory
    with zipfile.ZipFile(path) as archive:
        members = [name.removesuffix(".npy") for name in archive.namelist()]
    if len(inputs) == 1:
        names = ["x_train"] if "x_train" in members and "x" not in members else ["x"]
        expected = "x, or x_train, the input of the model"
    else:
        names = [f"x_{entry.name.replace('/', '.')}" for entry in inputs]
        expected = f"{', '.join(names)}, the inputs of the model"
    if not set(names) <= set(members):
        shown = ", ".join(sorted(members)[:8]) or "no arrays"
        raise InputError(
            f"--data {path}: it has {shown}; expected {expected}, and y, or y_ with the name of "
            "each output"
        )
    short = "y_train" if names == ["x_train"] else "y"
    if short in members:
        return names, {short: ""}
    return names, {n: n[2:] for n in members if n.startswith("y_") and not n.endswith(_OTHERS)}


def _check_shape(path: Path, name: str, x: np.ndarray, entry: ModelInput) -> None:
    expected = entry.shape
    fits = len(x.shape) == len(expected) + 1 and all(
        a is None or a == b for a, b in zip(expected, x.shape[1:], strict=True)
    )
    if not fits:
        raise InputError(
            f"--data {path}: {name} of shape {x.shape}; expected samples of shape {expected}"
        )


def _check_lengths(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    lengths = {len(array) if array.ndim else 0 for array in arrays.values()}
    if len(lengths) > 1 or 0 in lengths:
        shapes = " and ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"--data {path}: {shapes}; expected the same number of samples in all, of one or more"
        )


def _as_input(path: Path, name: str, x: np.ndarray, entry: ModelInput) -> np.ndarray:
    for part in entry.tokens:
        where = (Ellipsis,) if part.axis is None else (slice(None),) * (part.axis + 1)
        chosen = x[where] if part.axis is None else x[(*where, list(part.at))]
        is_whole = (chosen == np.floor(chosen)).all()
        if not is_whole or np.min(chosen) < part.low or np.max(chosen) > part.high:
            raise InputError(
                f"--data {path}: {name} has values that are not tokens in "
                f"[{part.low}, {part.high + 1})"
            )
    if entry.kind == "booleans":
        return x.astype(bool)
    if entry.is_tokens or (entry.tokens and entry.is_whole):
        return x.astype(np.int64)
    return probe_inputs.single(x.astype(np.float64))


# --- Samples: inputs and targets for the probes of a pair, random or from the user's data ---------


# Output of a sigmoid before it, by dtype: 1 - p is 2e-9, and 9e-4.
_SUREST = {"float64": 20.0, "float32": 7.0}
# Output of a softmax before it: the least p is then 2e-35, which float32 still holds.
_LARGEST_IN_FLOAT32 = 25.0
# Forms of targets that losses of the user's own may take, beside those of Keras's losses.
OTHER_FORMS = ("labels", "class", "flag", "value")


class Samples:
    """Draws batches, or takes them in order from the data that the spec names.

    Args:
        spec: contains the seed, the size of a batch and the data.
        inputs: of the model.
        batch_size: the only one that the model takes; None: that of the spec.
    """

    def __init__(
        self, spec: CheckSpec, inputs: Sequence[ModelInput], batch_size: int | None = None
    ) -> None:
        self.seed = spec.seed
        self.model_inputs = tuple(inputs)
        self.fixed = batch_size
        self.batch_size = batch_size or spec.batch_size
        self._given: tuple[list[np.ndarray], dict[str, np.ndarray]] | None = None
        if spec.data is not None:
            self._given = read_samples(Path(spec.folder) / spec.data, self.model_inputs)

    @property
    def has_data(self) -> bool:
        """Whether the samples are the user's own."""
        return self._given is not None

    @property
    def given_targets(self) -> tuple[str, ...]:
        """The outputs whose targets are the user's own, in order; "" stands for an only one."""
        return () if self._given is None else tuple(sorted(self._given[1]))

    def of_seed(self, seed: int) -> Samples:
        """Returns those of another seed, of the same inputs and the same data."""
        other = copy.copy(self)
        other.seed = seed
        return other

    def sizes(self, steps: int) -> list[int]:
        """Returns the sizes of the batches of some steps; the last are smaller, if they may be."""
        if self.fixed is not None:
            return [self.fixed] * steps
        return probe_inputs.batches(steps, self.batch_size)

    def inputs(self, purpose: str, num: int) -> list[np.ndarray]:
        """Returns a batch of `num` samples, one array per input; see `ModelInput.drawn`."""
        if self._given is not None and purpose != "eval":
            rows = self._rows(purpose, num)
            return [array[rows] for array in self._given[0]]
        return [each.drawn(self.seed, purpose, num) for each in self.model_inputs]

    def targets(
        self, purpose: str, num: int, kind: str, shape: tuple[int, ...], output: str = ""
    ) -> np.ndarray:
        """Returns targets of a kind for `num` outputs of one shape.

        Args:
            purpose: of the batch.
            num: of its samples.
            kind: see `drawn_targets`.
            shape: of one sample of the output.
            output: its name, of several; those of `given_targets` are not drawn.

        Raises:
            InputError: the user's do not suit the kind.
        """
        if self._given is not None and purpose != "confident" and output in self._given[1]:
            y = self._given[1][output]
            _check_targets(f"y_{output}" if output else "y", y, kind, shape)
            rows: np.ndarray = y[self._rows(purpose, num)]
            return np.eye(shape[-1])[rows] if kind == "one_hot" and y.ndim == 1 else rows
        drawn = f"{purpose}/{output}" if output else purpose
        return self.drawn_targets(self.seed, drawn, num, kind, shape)

    @staticmethod
    def drawn_targets(
        seed: int, purpose: str, num: int, kind: str, shape: tuple[int, ...]
    ) -> np.ndarray:
        """Returns random targets of a kind.

        They are classes, one_hot, distribution, binary, shares (from 0 to 1), counts, values; or
        `OTHER_FORMS`: labels (N, L) of sequences, from 1 on and filled up with 0; one class, flag
        or value per sample.
        """
        draw = probe_inputs.generator(seed, "target", purpose)
        if kind in OTHER_FORMS:
            return _of_other_form(draw, num, kind, shape)
        if kind in ("classes", "one_hot"):
            classes = draw.integers(0, shape[-1], size=(num, *shape[:-1]))
            return classes if kind == "classes" else np.eye(shape[-1])[classes]
        if kind == "distribution":
            values = draw.uniform(0.1, 1, size=(num, *shape))
            return probe_inputs.single(values / values.sum(-1, keepdims=True))
        if kind == "binary":
            return draw.integers(0, 2, size=(num, *shape)).astype(np.float64)
        if kind == "shares":
            return probe_inputs.single(draw.uniform(size=(num, *shape)))
        if kind == "counts":
            return draw.poisson(2.0, size=(num, *shape)).astype(np.float64)
        return probe_inputs.single(draw.normal(size=(num, *shape)))

    @staticmethod
    def confident(
        seed: int, kind: str, shape: tuple[int, ...], dtype: str = "float64", name: str = ""
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns outputs before the activation, with growing confidence, and their targets.

        Whatever is drawn, one of the most confident outputs is wrong, and its probability is 0 or 1
        in float32, so that a loss that clips probabilities at 1e-7 shows it. Outputs of a sigmoid
        are at most 20 from 0, in float32 7: further out, 1 - p is lost, and `nn.BCELoss` is another
        loss for probabilities than for logits.

        Args:
            seed: seed of the check.
            kind: kind of the targets.
            shape: shape of one output.
            dtype: of the port.
            name: of one of several outputs; "": there is one.
        """
        draw = probe_inputs.generator(seed, "confident", *([name] if name else []))
        scales = np.array([1, 3, 10, 40] * 2).reshape(-1, *[1] * len(shape))
        linear = probe_inputs.single(draw.normal(size=(8, *shape)) * scales)
        purpose = f"confident/{name}" if name else "confident"
        y = Samples.drawn_targets(seed, purpose, 8, kind, shape)
        surest = linear[3]
        if kind in ("classes", "one_hot"):
            if dtype == "float32":
                np.clip(linear, -_LARGEST_IN_FLOAT32, _LARGEST_IN_FLOAT32, out=linear)
            least = surest.argmin(-1)
            lower = probe_inputs.single(surest.min(-1, keepdims=True) - 30)
            np.put_along_axis(surest, least[..., None], lower, -1)
            y[3] = least if kind == "classes" else np.eye(shape[-1])[least]
        elif kind == "binary":
            most = _SUREST[dtype]
            surest[...] = np.where(surest < 0, -most, most)
            y[3] = surest < 0
            linear = np.clip(linear, -most, most)
        return linear, y

    def _rows(self, purpose: str, num: int) -> np.ndarray:
        assert self._given is not None
        return self.rows(purpose, num, len(self._given[0][0]))

    def rows(self, purpose: str, num: int, count: int) -> np.ndarray:
        """Returns the rows of a batch in arrays of `count` samples; the first follow the last."""
        start = int(probe_inputs.generator(self.seed, "rows", purpose).integers(count))
        return (start + np.arange(num)) % count


def _of_other_form(
    draw: np.random.Generator, num: int, kind: str, shape: tuple[int, ...]
) -> np.ndarray:
    if kind == "class":
        return draw.integers(0, shape[-1], size=num)
    if kind == "flag":
        return draw.integers(0, 2, size=(num, 1)).astype(np.float64)
    if kind == "value":
        return probe_inputs.single(draw.normal(size=num))
    # Twice as many labels, less one, fit into the steps: CTC needs a blank between two equal ones.
    most = max(1, shape[0] // 3)
    drawn = draw.integers(1, max(2, shape[-1]), size=(num, most))
    lengths = draw.integers(1, most + 1, size=(num, 1))
    lengths[0] = most
    drawn[np.arange(most) >= lengths] = 0
    return drawn


def _check_targets(name: str, y: np.ndarray, kind: str, shape: tuple[int, ...]) -> None:
    """Rejects targets that the loss cannot use; a loss of unknown kind is not checked."""
    is_labels = kind == "classes" or (kind == "one_hot" and y.ndim == 1)
    if is_labels:
        fits = y.shape[1:] in (shape[:-1], (*shape[:-1], 1)) and y.dtype.kind == "i"
        if not fits or y.min() < 0 or y.max() >= shape[-1]:
            raise InputError(
                f"--data: {name} of shape {y.shape} and type {y.dtype.name}, from {y.min()} to "
                f"{y.max()}; expected classes in [0, {shape[-1]}), one for each output"
            )
    elif kind != "values" and y.shape[1:] != shape and (*y.shape[1:], 1) != shape:
        raise InputError(f"--data: {name} of shape {y.shape}; expected samples of shape {shape}")
