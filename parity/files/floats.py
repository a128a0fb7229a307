"""NaN and the infinities, which JSON lacks, as strings and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def encode_floats(value: Mapping[str, Any]) -> dict[str, Any]:
    """Replaces NaN and infinities, which JSON lacks, with the strings "NaN", "Infinity", ..."""
    return {key: _encoded(item) for key, item in value.items()}


def _encoded(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, Mapping):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return value


def decode_floats(value: Any) -> Any:
    """The inverse of `encode_floats`."""
    if isinstance(value, list):  # most values are floats
        return [item if isinstance(item, float) else decode_floats(item) for item in value]
    if isinstance(value, Mapping):
        return {key: decode_floats(item) for key, item in value.items()}
    if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    return value
