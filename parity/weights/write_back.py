"""write_back: other weights in a copy of a `.weights.h5` or `.h5`, whose structure stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np

from parity.errors import InputError
from parity.weights.read import read_stored, refusals


def write_back(like: Path, arrays: Path, folder: Path, to: Path) -> None:
    """Writes a copy of a file with other weights; the state of its optimizer stays as it was.

    Args:
        like: a `.weights.h5` or `.h5`.
        arrays: a safetensors file with arrays by their paths in it.
        folder: private.
        to: path of the copy.

    Raises:
        InputError: it is another file, or has another weight or shape.
    """
    from safetensors.numpy import load_file

    stored = read_stored(like, folder)
    if stored.form not in (".weights.h5", ".h5"):
        raise InputError(f"{like}: expected a .weights.h5 or .h5, not a {stored.form}")
    given = load_file(arrays)
    own = {array.key for array in stored.weights}
    if left := sorted(own ^ set(given)):
        where = "this file" if left[0] in own else "the module"
        raise InputError(
            f"{like}: {left[0][:80]!r} is in {where} alone; expected the same weights in both"
        )
    shutil.copyfile(like, to)
    with refusals(like), h5py.File(to, "r+") as file:
        for array in stored.weights:
            value = given[array.key]
            if value.shape != array.shape:
                raise InputError(
                    f"{like}: {array.key!r} has the shape {array.shape}, not {value.shape}"
                )
            dataset = file[array.key]
            if dataset.dtype.kind == "V":
                raise InputError(f"{like}: {array.key!r} is in bfloat16, which would round")
            dataset[...] = np.asarray(value, dtype=dataset.dtype)
