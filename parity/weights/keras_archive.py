"""`.keras`: a zip archive with `config.json`, `metadata.json` and `model.weights.h5`.

Its members are looked at by the directory of the archive before any is read. What lies beside the
three, such as the vocabulary of a layer in `assets/`, is not read.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from parity.weights.keras_config import check_directory, check_member, config_in
from parity.weights.stored import Stored
from parity.weights.weights_h5 import read_weights_h5

WEIGHTS = "model.weights.h5"


def stored_keras_archive(path: Path, folder: Path) -> Stored:
    """Reads a `.keras`.

    Args:
        path: of the file.
        folder: private, for the weights while they are read.

    Raises:
        ValueError: it is none.
    """
    check_directory(path)
    with zipfile.ZipFile(path) as archive:
        config = config_in(archive)
        check_member(archive, WEIGHTS, path.stat().st_size)
        weights = folder / WEIGHTS
        with archive.open(WEIGHTS) as source, weights.open("xb") as target:
            shutil.copyfileobj(source, target, 2**20)  # no longer than the directory says
    compiled: Any = config.get("compile_config")
    arrays, slots = read_weights_h5(weights)
    return Stored(".keras", arrays, slots, config, compiled if isinstance(compiled, dict) else None)
