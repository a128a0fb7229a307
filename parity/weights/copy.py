"""copy_stored: copies a file of weights into one of arrays and one of text, for any half."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parity.files.json_io import write_json
from parity.traces.array_file import DTYPES, ArrayFile
from parity.weights.copied import ARRAYS, SUCCESS, TOLD
from parity.weights.read import read_stored, refusals
from parity.weights.stored import StoredArray

_NAMES = {kind: name for name, kind in DTYPES.items()}


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
