"""The outcome of a comparer, before the engine adds the name of the level."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from parity.ladder.items import FAIL, PASS, SKIPPED, Item


@dataclass(frozen=True)
class Outcome:
    """The outcome of one level.

    Attributes:
        status: "pass", "fail" or "skipped".
        tolerance_source: the allowed difference and its reason, or why the level was skipped.
        items: the compared quantities, in the order in which a run computes them.
    """

    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()


def judged(tolerance_source: str, items: Iterable[Item]) -> Outcome:
    """Returns an outcome that passes if there are items and all of them pass."""
    found = tuple(items)
    is_whole = bool(found) and all(item.status == PASS for item in found)
    return Outcome(PASS if is_whole else FAIL, tolerance_source, found)


def judged_if_any(tolerance_source: str, items: Iterable[Item]) -> Outcome:
    """Does the same for a port that may lack parts: without items, the level is skipped."""
    found = tuple(items)
    if not found:
        return skipped("there is nothing to compare")
    return judged(tolerance_source, found)


def skipped(why: str) -> Outcome:
    """Returns the outcome of a level that was not compared."""
    return Outcome(SKIPPED, why)
