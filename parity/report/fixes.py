"""The fix of a cause as text: code to paste, or advice."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Any

MAX_CODE = 1000  # characters of a fix that may be code
TRIED = "tried: with it, this agrees"


def fix_text(cause: Mapping[str, Any]) -> str:
    """Returns the fix of a cause in one line, and whether it was tried."""
    told = "; ".join(fix_lines(cause))
    return f"(tried) {told}" if told and cause.get("tried") else told


def fix_lines(cause: Mapping[str, Any]) -> list[str]:
    """Returns the lines of the fix of a cause."""
    return str(cause.get("fix") or "").splitlines()


def is_code(cause: Mapping[str, Any]) -> bool:
    """Whether the fix of a cause is code to paste, and not advice."""
    fix = str(cause.get("fix") or "")
    if cause.get("tried"):
        return True
    if not 0 < len(fix) <= MAX_CODE:
        return False
    try:
        with warnings.catch_warnings(action="ignore"):
            return bool(ast.parse(fix).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
