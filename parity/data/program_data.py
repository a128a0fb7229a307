"""The data of a user's program: arrays for `fit`, from a file, a folder or a function.

In: what `data` of a program says. Out: x, y and what validates, under the names of `fit`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from parity.data.load import load_data
from parity.data.npz import read_npz
from parity.data.sources import NAMED
from parity.errors import InputError
from parity.programs.factories import load_factory
from parity.programs.program_spec import ProgramSpec

# Names in an archive or in a mapping -> argument of `fit`. The first pair that is there counts.
_PAIRS = (("x_train", "y_train"), ("x", "y"))
_VALIDATION = (("x_val", "y_val"), ("x_test", "y_test"))


def program_data(spec: ProgramSpec) -> dict[str, Any]:
    """Returns the arguments x, y and validation_data of `fit`; nothing if `data` is None.

    Raises:
        InputError: the data cannot be used.
    """
    if spec.data is None:
        return {}
    path = Path(spec.folder) / spec.data
    if spec.data in NAMED or path.is_dir():
        source = spec.data if spec.data in NAMED else path
        found = load_data(source, train=spec.train_size, val=spec.val_size, seed=spec.seed)
        return _fit_arguments(
            {n: getattr(found, n) for n in ("x_train", "y_train", "x_val", "y_val")}, spec.data
        )
    if spec.data.endswith(".npz"):
        if not path.is_file():
            raise InputError(f"data={spec.data!r}: there is no such file")
        with zipfile.ZipFile(path) as archive:
            names = [name.removesuffix(".npy") for name in archive.namelist()]
        known = {name for pair in (*_PAIRS, *_VALIDATION) for name in pair}
        if not any(name in known for name in names):
            raise _without_pair(names, spec.data)
        return _fit_arguments(read_npz(path, [n for n in names if n in known]), spec.data)
    load: Callable[[], Any] = load_factory("data", spec.data, spec.folder)
    return _of_function(load(), spec.data)


def _of_function(found: Any, name: str) -> dict[str, Any]:
    """Sorts what a function of the user returned: a mapping, (x, y), or pairs of these."""
    if isinstance(found, Mapping):
        is_fit = "x" in found and set(found) <= {"x", "y", "sample_weight", "validation_data"}
        return dict(found) if is_fit else _fit_arguments(found, name)
    if isinstance(found, tuple) and len(found) in (2, 3):
        first = found[0]
        if len(found) == 2 and isinstance(first, tuple) and isinstance(found[1], tuple):
            train, validation = (_parts(part, name) for part in found)
            arguments = dict(zip(("x", "y", "sample_weight"), train, strict=False))
            return {**arguments, "validation_data": validation}
        return dict(zip(("x", "y", "sample_weight"), found, strict=False))
    raise InputError(
        f"data={name!r} returned {type(found).__name__}; expected (x, y), "
        "((x, y), (x_val, y_val)), or a mapping with x_train, y_train, x_val, y_val"
    )


def _parts(part: tuple[Any, ...], name: str) -> tuple[Any, ...]:
    if len(part) not in (2, 3):
        raise InputError(
            f"data={name!r} returned a part of {len(part)} arrays; expected (x, y) or "
            "(x, y, weight)"
        )
    return part


def _fit_arguments(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    pair = next((pair for pair in _PAIRS if all(n in arrays for n in pair)), None)
    if pair is None:
        raise _without_pair(arrays, name)
    x, y = (arrays[n] for n in pair)
    found = {"x": x, "y": y}
    validation = next((pair for pair in _VALIDATION if all(n in arrays for n in pair)), None)
    if validation is not None:
        found["validation_data"] = tuple(arrays[n] for n in validation)
    for part, value in found.items():
        for array in value if isinstance(value, tuple) else (value,):
            if isinstance(array, np.ndarray) and array.dtype.kind == "O":
                raise InputError(f"data={name!r}: {part} has objects; expected numbers")
    return found


def _without_pair(names: Iterable[Any], data: str) -> InputError:
    shown = ", ".join(sorted(map(str, names))[:8]) or "nothing"
    return InputError(
        f"data={data!r} has {shown}; expected x_train and y_train, or x and y; x_val and y_val for "
        "validation"
    )
