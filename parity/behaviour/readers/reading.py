"""What a reader returns: columns, and notes on what was not taken as it stands in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

# Name to a value per epoch; None was not measured.
Columns = Mapping[str, list[float | None]]

MAX_NAMED = 6


class Read(NamedTuple):
    """The columns of a file under its own names.

    Attributes:
        columns: name to a value per epoch.
        notes: what was left out, or put together, as sentences.
    """

    columns: Columns
    notes: tuple[str, ...] = ()


def named(names: Iterable[str]) -> str:
    """Returns names for a message, a few of them."""
    shown = [f"{name:.40}" for name in names]
    return ", ".join(shown[:MAX_NAMED]) + (", ..." if len(shown) > MAX_NAMED else "")
