"""Factories in a table: a line each for the many models and ports that are one expression."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def factories(**rows: tuple[str, Callable[[], Any]]) -> dict[str, Callable[[], Any]]:
    """Returns the factories of a table by name.

    Args:
        **rows: of each, what it builds or what its mistake is, and how it is built.
    """
    for name, (what, factory) in rows.items():
        factory.__name__ = factory.__qualname__ = name
        factory.__doc__ = what
    return {name: factory for name, (_, factory) in rows.items()}
