"""JSON files: strict, and written completely or not at all."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, NoReturn

from parity.errors import InputError
from parity.files.atomic import write_bytes

# --- JSON from anyone: a reader that is stricter than Python's ------------------------------------
#
# Python accepts NaN, 1e999 (which becomes infinite), duplicate keys, half a surrogate pair and
# numbers of any length. Each of these would cause an error much later, somewhere else.


MAX_DEPTH = 64  # of lists and mappings; configurations of layers stay below 15
MAX_INTEGER = 2**63


def read_start(path: Path, max_bytes: int) -> bytes:
    """Reads a file up to one byte above the limit, so that `read_strict` can reject a larger one.

    Raises:
        InputError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read ({reason}); check the path") from None


def read_strict(content: bytes, max_bytes: int | None = None, max_text: int | None = None) -> Any:
    """Returns the value of JSON text.

    Args:
        content: UTF-8.
        max_bytes: largest size; None = no limit.
        max_text: largest number of characters in a string; None = no limit.

    Raises:
        ValueError: it is not strict JSON, as described above, or is nested too deep or too large.
    """
    if max_bytes is not None and len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes")
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_refused,
            parse_float=_finite,
            parse_int=_bounded,
        )
    except (RecursionError, MemoryError) as error:
        raise ValueError(f"nested too deep, or too large ({type(error).__name__})") from None
    check_plain(value, max_text)
    return value


def check_plain(value: Any, max_text: int | None = None) -> None:
    """Checks that `read_strict` could return a value, without a call per level.

    Args:
        value: mappings, lists, texts, numbers, true, false and null.
        max_text: largest number of characters in a text; None = no limit.

    Raises:
        ValueError: it could not, or the value is nested too deep, or a text is too long.
    """
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind is str:
                _check_text(item, max_text)
            elif kind is dict:
                for key in item:
                    if type(key) is not str:
                        raise ValueError(f"a key is of type {type(key).__name__}")
                    _check_text(key, max_text)
                below += item.values()
            elif kind is list:
                below += item
            elif kind is float:
                if not math.isfinite(item):
                    raise ValueError(f"{item} is not JSON")
            elif kind is int:
                if not -MAX_INTEGER <= item < MAX_INTEGER:
                    raise ValueError("an integer has more than 64 bits")
            elif kind is not bool and item is not None:
                raise ValueError(f"a value is of type {kind.__name__}, which JSON lacks")
        if not below:
            return
        level = below
    raise ValueError(f"nested deeper than {MAX_DEPTH}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER <= int(text) < MAX_INTEGER:
        raise ValueError(f"the integer {text[:20]} has more than 64 bits")
    return int(text)


def _check_text(text: str, max_text: int | None) -> None:
    if max_text is not None and len(text) > max_text:
        raise ValueError(f"a text has {len(text):,} characters; the limit is {max_text:,}")
    if not text.isascii():
        text.encode("utf-8")  # half a surrogate pair is a UnicodeEncodeError, a ValueError


# --- JSON files of this project: strict, and written completely or not at all ---------------------


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no bare NaN), completely or not at all."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())
