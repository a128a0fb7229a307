"""What was copied out of a file of weights, read without the library for HDF5."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parity.errors import InputError
from parity.files.json_io import read_json
from parity.traces.trace import ArrayReader

# --------------------------------------------------------------------------------------------------
#
# Copied: what `copy_stored` has left of a file of weights, read without the library for HDF5.


ARRAYS, TOLD, SUCCESS = "weights.safetensors", "weights.json", "_SUCCESS"


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


# --- What the torch child of `parity convert` is asked for, and what it leaves in its folder ------


REQUEST = "convert.json"  # asked for
REPORT = "told.json"  # what came of it: `parity.runs.convert.Converted`
STATE = "state.safetensors"  # the state_dict of the module
OPTIMIZER = "optimizer.pt"  # the state of its optimizer
BACK = "back.safetensors"  # weights in Keras's layout, by their paths in the file
