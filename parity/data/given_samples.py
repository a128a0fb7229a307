"""Samples of a user's own, from a `.npz` archive that may be from anyone.

A path and the inputs of a model go in. An array for each input, and the targets, come out: those of
one input are `x`, those of several have the names of the inputs.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from parity.data import probe_inputs
from parity.data.model_inputs import ModelInput
from parity.data.npz import read_npz
from parity.errors import InputError


def read_samples(path: Path, inputs: Sequence[ModelInput]) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns an array for each input, and targets.

    Of tokens int64, booleans, else float64 with values of float32; integer targets are int64.

    Raises:
        InputError: the archive lacks an array, or one does not fit its input.
    """
    names, of_targets = _names(path, inputs)
    arrays = read_npz(path, (*names, of_targets))
    y = arrays[of_targets]
    for name, entry in zip(names, inputs, strict=True):
        _check_shapes(path, name, arrays[name], of_targets, y, entry)
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise InputError(f"--data {path}: {name} has values that are not finite numbers")
    y = probe_inputs.single(y.astype(np.float64 if y.dtype.kind == "f" else np.int64))
    found = [
        _as_input(path, name, arrays[name], entry)
        for name, entry in zip(names, inputs, strict=True)
    ]
    return found, y


def _names(path: Path, inputs: Sequence[ModelInput]) -> tuple[list[str], str]:
    """Returns the names of the arrays of each input, and that of the targets."""
    read_npz(path, ())  # checks the whole directory
    with zipfile.ZipFile(path) as archive:
        held = {name.removesuffix(".npy") for name in archive.namelist()}
    only = inputs[0].name if len(inputs) == 1 else ""
    if only in ("x", "x_train") or (only and only not in held):
        is_short = bool({"x", "y"} & held)
        names, of_targets = (["x"], "y") if is_short else (["x_train"], "y_train")
        expected = "x and y, or x_train and y_train"
    else:
        names = [entry.name.replace("/", ".") for entry in inputs]
        of_targets = "y" if "y" in held or "y_train" not in held else "y_train"
        expected = f"{', '.join(names)}, the inputs of the model, and y"
    if not {*names, of_targets} <= held:
        shown = ", ".join(sorted(held)[:8]) or "no arrays"
        raise InputError(f"--data {path}: it has {shown}; expected {expected}")
    return names, of_targets


def _check_shapes(
    path: Path, name: str, x: np.ndarray, of_targets: str, y: np.ndarray, entry: ModelInput
) -> None:
    expected = entry.shape
    fits = len(x.shape) == len(expected) + 1 and all(
        a is None or a == b for a, b in zip(expected, x.shape[1:], strict=True)
    )
    if not fits or not y.ndim or not len(x) or len(x) != len(y):
        raise InputError(
            f"--data {path}: {name} of shape {x.shape} and {of_targets} of shape {y.shape}; "
            f"expected the same number of samples in both, of shape {expected}"
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
