"""The engine of the ladder: goes through the levels in order.

In a run it stops at the first that fails, since later levels would differ for the same reason. In a
check every level is fed with Keras's own state, so it goes on. The engine knows neither traces nor
bundles: it passes both sides to the comparer of each level.
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
    stops: bool = True,
) -> tuple[Level, ...]:
    """Compares two sides level by level.

    Args:
        comparers: the comparer of each level of `LEVELS`, such as `OF_RUN` and `OF_PROBE` of
            `parity.ladder.table`.
        *sides: arguments of the comparers, the reference first.
        names: names of the levels that decide; the others are skipped; all by default.
        stops: whether levels after a failed one are left out, as "not_reached".

    Returns:
        All levels in order.
    """
    levels = []
    failed: dict[str | None, str | None] = {None: None}  # level -> failed level up to there
    for row in LEVELS:
        before = failed[row.after]
        if names and row.id not in names:
            level = Level(row.id, SKIPPED, "not asked for")
        elif before is not None:
            level = Level(row.id, NOT_REACHED, f"not compared: {before} failed")
        else:
            level = compare_level(row.id, comparers, *sides)
        failed[row.id] = row.id if level.status == FAIL and stops else before
        levels.append(level)
    return tuple(levels)


def compare_level(
    name: str, comparers: Mapping[str, Callable[[*Sides], Outcome]], *sides: *Sides
) -> Level:
    """Compares two sides at one level, whatever the results of the levels before it."""
    found = comparers[name](*sides)
    return Level(
        name,
        found.status,
        found.tolerance_source,
        found.items,
        found.not_compared,
        found.applies,
    )
