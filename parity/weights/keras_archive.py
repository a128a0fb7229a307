"""`.keras`: a zip archive with `config.json`, `metadata.json` and `model.weights.h5`.

Its members are looked at by the directory of the archive before any is read. What lies beside the
three, such as the vocabulary of a layer in `assets/`, is not read.
"""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path
from typing import Any

from parity.files.strict_json import read_strict
from parity.weights.stored import MAX_CONFIG, MAX_GROWTH, SLACK, Stored
from parity.weights.weights_h5 import read_weights_h5

MAGIC = b"PK\3\4"
CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MAX_MEMBERS, MAX_DIRECTORY = 10_000, 4 * 2**20


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
        config = read_strict(_content(archive, CONFIG), MAX_CONFIG)
        if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
            raise ValueError(f"{CONFIG} is not the configuration of a model")
        _check_member(archive, WEIGHTS, path.stat().st_size)
        weights = folder / WEIGHTS
        with archive.open(WEIGHTS) as source, weights.open("xb") as target:
            shutil.copyfileobj(source, target, 2**20)  # no longer than the directory says
    compiled: Any = config.get("compile_config")
    arrays, slots = read_weights_h5(weights)
    return Stored(".keras", arrays, slots, config, compiled if isinstance(compiled, dict) else None)


def check_directory(path: Path) -> None:
    """Looks at the directory of an archive, which `zipfile` reads whole, whatever its size.

    Raises:
        ValueError: it is too large, or the archive has none.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 22))
        end = file.read(22)
    if len(end) < 22 or end[:4] != b"PK\5\6":
        raise ValueError("it is cut off, or something follows the end of the archive")
    number, size = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if number > MAX_MEMBERS or size > MAX_DIRECTORY:
        raise ValueError(f"its directory has {number:,} members and {size:,} bytes")


def _content(archive: zipfile.ZipFile, name: str) -> bytes:
    _check_member(archive, name, MAX_CONFIG)
    if archive.getinfo(name).file_size > MAX_CONFIG:
        raise ValueError(f"{name} claims {archive.getinfo(name).file_size:,} bytes")
    return archive.read(name)


def _check_member(archive: zipfile.ZipFile, name: str, most: int) -> None:
    if archive.namelist().count(name) != 1:
        raise ValueError(f"it has no {name}, or two of them")
    entry = archive.getinfo(name)
    if entry.flag_bits & 0x1:
        raise ValueError(f"{name} is encrypted")
    if entry.compress_size > most or entry.file_size > MAX_GROWTH * entry.compress_size + SLACK:
        raise ValueError(
            f"{name} claims {entry.file_size:,} bytes, compressed to {entry.compress_size:,}"
        )
