"""The engine of the ladder: goes through the levels in order and ends at the first that fails.

What follows a failed level would differ for the same reason. The engine knows neither traces nor
bundles: it hands the sides that are compared to the comparer of each level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVarTuple

from parity.ladder.items import FAIL, NOT_REACHED, SKIPPED, Level
from parity.ladder.levels import LEVELS

if TYPE_CHECKING:
    from parity.ladder.outcome import Outcome

Sides = TypeVarTuple("Sides")


def compare_levels(
    comparers: Mapping[str, Callable[[*Sides], Outcome]],
    *sides: *Sides,
    names: Sequence[str] = (),
) -> tuple[Level, ...]:
    """Compares two sides level by level.

    Args:
        comparers: for each level of `LEVELS` what compares it, as `OF_RUN` and `OF_PROBE` of
            `parity.ladder.table`.
        *sides: what the comparers take, the reference first.
        names: of the levels that count, the others are skipped; all by default.

    Returns:
        All levels in order; those after a failed one as "not_reached".
    """
    levels = []
    failed: dict[str | None, str | None] = {None: None}  # level to the one that fails up to there
    for row in LEVELS:
        before = failed[row.after]
        if names and row.id not in names:
            level = Level(row.id, SKIPPED, "not asked for")
        elif before is not None:
            level = Level(row.id, NOT_REACHED, f"not compared: {before} failed")
        else:
            level = compare_level(row.id, comparers, *sides)
        failed[row.id] = row.id if level.status == FAIL else before
        levels.append(level)
    return tuple(levels)


def compare_level(
    name: str, comparers: Mapping[str, Callable[[*Sides], Outcome]], *sides: *Sides
) -> Level:
    """Compares two sides at one level, whatever the levels before it say."""
    found = comparers[name](*sides)
    return Level(name, found.status, found.tolerance_source, found.items)
