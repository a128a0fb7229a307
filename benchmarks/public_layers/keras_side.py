"""Factories of the Keras models of the table, by the names of the settings."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.public_layers.models import checkable
from benchmarks.public_layers.table import SETTINGS


def __getattr__(name: str) -> Any:
    """Returns the factory of a setting."""
    if name not in SETTINGS:
        raise AttributeError(name)
    return partial(checkable, SETTINGS[name])
