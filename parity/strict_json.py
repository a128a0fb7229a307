"""JSON from anyone, as strict as it is written here: what Python's reader lets through is refused.

Python takes NaN, 1e999 (which becomes an infinity), keys that stand twice, half a surrogate pair
and numbers of any length, each of which fails much later in a place of its own.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MAX_DEPTH = 64  # of lists and mappings; configurations of layers stay below 15
MAX_INTEGER = 2**63


def read_strict(content: bytes) -> Any:
    """Returns what JSON text says.

    Args:
        content: UTF-8.

    Raises:
        ValueError: it is no JSON, or has what is listed above, or is nested too deep.
    """
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
    _walk(value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    for key in found:
        _encodable(key)
    return found


def _refused(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"the number {text[:20]} is too large")
    return value


def _bounded(text: str) -> int:
    if len(text) > 20 or not -MAX_INTEGER <= int(text) < MAX_INTEGER:
        raise ValueError(f"the integer {text[:20]} has more than 64 bits")
    return int(text)


def _encodable(text: str) -> None:
    if not text.isascii():
        text.encode("utf-8")  # half a surrogate pair is a UnicodeEncodeError, a ValueError


def _walk(value: Any) -> None:
    """Looks at the depth and at all strings, without a call for each level."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _encodable(item)
            elif isinstance(item, dict):
                below += item.values()
            elif isinstance(item, list):
                below += item
        if not below:
            return
        level = below
    raise ValueError(f"nested deeper than {MAX_DEPTH}")
