"""Names of what is left out at the level "trajectory"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_BEFORE, _BEHIND = "training of ", " by repeated rows"


def by_rows(weight: str) -> str:
    """Returns the name of the steps of a weight whose rows occur several times in a batch."""
    return f"{_BEFORE}{weight}{_BEHIND}"


def weights_by_rows(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """Returns the weights that are named so among the entries of a fact `not_compared`."""
    names = [str(entry["what"]) for entry in entries]
    return [
        name.removeprefix(_BEFORE).removesuffix(_BEHIND)
        for name in names
        if name.startswith(_BEFORE) and name.endswith(_BEHIND)
    ]
