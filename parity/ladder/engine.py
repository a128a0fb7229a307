"""The engine of the ladder: goes through the levels in order.

Every level is fed with Keras's own state, so that one that fails does not stop the next. The engine
knows neither traces nor bundles: it passes both sides to the comparer of each level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVarTuple

from parity.ladder.items import SKIPPED, Level
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
        comparers: the comparer of each level of `LEVELS`, such as `OF_PROBE` of
            `parity.ladder.table`.
        *sides: arguments of the comparers, the reference first.
        names: names of the levels that decide; the others are skipped; all by default.

    Returns:
        All levels in order.
    """
    return tuple(
        Level(row.id, SKIPPED, "not asked for")
        if names and row.id not in names
        else compare_level(row.id, comparers, *sides)
        for row in LEVELS
    )


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
