"""Judges a level with the user's own tolerance in the place of the project's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from parity.ladder.items import FAIL, PASS, Level


def judged_within(level: Level, tolerance: Mapping[str, float]) -> Level:
    """Returns a level with the tolerance that the user gives for it.

    Counts and statistical tests keep theirs: they are no matter of rounding.

    Args:
        level: as it was compared.
        tolerance: by level, relative; "" stands for all levels.
    """
    number = tolerance.get(level.id, tolerance.get(""))
    if number is None or level.status not in (PASS, FAIL):
        return level
    items = tuple(
        replace(item, allowed=number) if item.unit in ("rel", "abs", "ulp") else item
        for item in level.items
    )
    is_failed = not items or any(item.status == FAIL for item in items)
    source = f"your tolerance: {number:g}, relative to the largest value"
    status = FAIL if is_failed else PASS
    return replace(level, items=items, status=status, tolerance_source=source)
