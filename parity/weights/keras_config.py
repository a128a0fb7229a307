"""The configuration in a `.keras`, which is JSON: without the library for HDF5."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

from parity.files.strict_json import read_strict
from parity.weights.stored import MAX_CONFIG, MAX_GROWTH, SLACK

MAGIC = b"PK\3\4"
CONFIG = "config.json"
MAX_MEMBERS, MAX_DIRECTORY = 10_000, 4 * 2**20


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


def config_in(archive: zipfile.ZipFile) -> dict[str, Any]:
    """Returns the configuration of a model, with what it was compiled with.

    Raises:
        ValueError: there is none.
    """
    check_member(archive, CONFIG, MAX_CONFIG)
    if archive.getinfo(CONFIG).file_size > MAX_CONFIG:
        raise ValueError(f"{CONFIG} claims {archive.getinfo(CONFIG).file_size:,} bytes")
    config = read_strict(archive.read(CONFIG), MAX_CONFIG)
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError(f"{CONFIG} is not the configuration of a model")
    return config


def check_member(archive: zipfile.ZipFile, name: str, most: int) -> None:
    """Looks at what the directory of an archive says of a member, before it is read.

    Args:
        archive: that is open.
        name: of the member.
        most: bytes that it may have, compressed.

    Raises:
        ValueError: there is none, or it claims too much.
    """
    if archive.namelist().count(name) != 1:
        raise ValueError(f"it has no {name}, or two of them")
    entry = archive.getinfo(name)
    if entry.flag_bits & 0x1:
        raise ValueError(f"{name} is encrypted")
    if entry.compress_size > most or entry.file_size > MAX_GROWTH * entry.compress_size + SLACK:
        raise ValueError(
            f"{name} claims {entry.file_size:,} bytes, compressed to {entry.compress_size:,}"
        )
