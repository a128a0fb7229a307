"""Samples of a user's own, from a `.npz` archive that may be from anyone.

A path and the inputs of a model go in. An array for each input, and the targets of each output,
come out. The names are those of the file that train.py of a port reads:

    x, y                    one input, one output; also x_train, y_train
    x_<input>, y_<output>   several; "." for "/" in a name
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from parity.data import probe_inputs
from parity.data.model_inputs import ModelInput
from parity.data.npz import read_npz
from parity.errors import InputError

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
        held = [name.removesuffix(".npy") for name in archive.namelist()]
    if len(inputs) == 1:
        names = ["x_train"] if "x_train" in held and "x" not in held else ["x"]
        expected = "x, or x_train, the input of the model"
    else:
        names = [f"x_{entry.name.replace('/', '.')}" for entry in inputs]
        expected = f"{', '.join(names)}, the inputs of the model"
    if not set(names) <= set(held):
        shown = ", ".join(sorted(held)[:8]) or "no arrays"
        raise InputError(
            f"--data {path}: it has {shown}; expected {expected}, and y, or y_ with the name of "
            "each output"
        )
    short = "y_train" if names == ["x_train"] else "y"
    if short in held:
        return names, {short: ""}
    return names, {n: n[2:] for n in held if n.startswith("y_") and not n.endswith(_OTHERS)}


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
        told = " and ".join(f"{name} of shape {array.shape}" for name, array in arrays.items())
        raise InputError(
            f"--data {path}: {told}; expected the same number of samples in all, of one or more"
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
