"""copy_stored: copies a file of weights into one of arrays and one of text, for any half."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.json_io import read_json, write_json
from parity.traces.array_file import DTYPES, ArrayFile, ArrayReader
from parity.weights.read import read_stored, refusals
from parity.weights.stored import StoredArray

_NAMES = {kind: name for name, kind in DTYPES.items()}
ARRAYS, TOLD, SUCCESS = "weights.safetensors", "weights.json", "_SUCCESS"


def copy_stored(path: Path, folder: Path) -> None:
    """Reads a file of weights into a folder, array by array.

    Args:
        path: of the file.
        folder: which exists.

    Raises:
        InputError: the file cannot be used.
    """
    stored = read_stored(path, folder)
    told: dict[str, Any] = {
        "form": stored.form,
        "config": stored.config,
        "compiled": stored.compiled,
        "weights": [array.told() for array in stored.weights],
        "slots": [array.told() for array in stored.slots],
    }
    keyed: dict[str, StoredArray] = {}
    for part, arrays in (("weights", stored.weights), ("slots", stored.slots)):
        keyed |= {f"{part}/{array.key}": array for array in arrays}
    entries = {key: (_NAMES[array.dtype.type], array.shape) for key, array in keyed.items()}
    with refusals(path), ArrayFile(folder / ARRAYS, entries) as file:
        for key, array in keyed.items():
            file[key] = array.load()
    write_json(folder / TOLD, told)
    (folder / SUCCESS).touch()


@dataclass(frozen=True)
class Copied:
    """What `copy_stored` has left.

    Attributes:
        form: ".keras", ".weights.h5", ".h5" or "checkpoint".
        weights: what is told of each weight: key, holder, name, number, shape.
        slots: the same of the variables of the optimizer.
        config: of the model, or None.
        compiled: what it was compiled with, or None.
        arrays: reads an array by "weights/KEY" or "slots/KEY".
    """

    form: str
    weights: list[dict[str, Any]]
    slots: list[dict[str, Any]]
    config: dict[str, Any] | None
    compiled: dict[str, Any] | None
    arrays: ArrayReader


def read_copied(folder: Path) -> Copied:
    """Returns what is in the folder of `copy_stored`."""
    if not (folder / SUCCESS).exists():
        raise InputError(f"{folder}: no weights were read into it")
    return Copied(**read_json(folder / TOLD), arrays=ArrayReader(folder / ARRAYS))
