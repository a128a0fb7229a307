"""JSON files of this project: strict, and written completely or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from parity.files.atomic import write_bytes


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Writes strict JSON (no bare NaN), completely or not at all."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    write_bytes(path, (text + "\n").encode())
