"""What a comparer found at its level, before the engine gives it the name of the level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parity.ladder.items import FAIL, PASS, SKIPPED, Item


@dataclass(frozen=True)
class Outcome:
    """What came of one level.

    Attributes:
        status: "pass", "fail" or "skipped".
        tolerance_source: what is allowed and why that much, or why it was skipped.
        items: what was compared, in the order in which a run computes it.
    """

    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()


def judged(tolerance_source: str, items: Iterable[Item]) -> Outcome:
    """Returns a level that passes if something was compared and all of it passes."""
    found = tuple(items)
    is_whole = bool(found) and all(item.status == PASS for item in found)
    return Outcome(PASS if is_whole else FAIL, tolerance_source, found)


def judged_if_any(tolerance_source: str, items: Iterable[Item]) -> Outcome:
    """Returns the same of a port that need not have everything: without items it is skipped."""
    found = tuple(items)
    if not found:
        return skipped("there is nothing that could be compared")
    return judged(tolerance_source, found)


def skipped(why: str) -> Outcome:
    """Returns a level that was not compared."""
    return Outcome(SKIPPED, why)
