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
        not_compared: (what, why) of parts that were left out.
        applies: whether there is anything that could be compared.
    """

    status: str
    tolerance_source: str
    items: tuple[Item, ...] = ()
    not_compared: tuple[tuple[str, str], ...] = ()
    applies: bool = True


def judged(
    tolerance_source: str, items: Iterable[Item], not_compared: Iterable[tuple[str, str]] = ()
) -> Outcome:
    """Returns an outcome that passes if there are items and none of them fails."""
    found = tuple(items)
    is_whole = bool(found) and not any(item.status == FAIL for item in found)
    return Outcome(PASS if is_whole else FAIL, tolerance_source, found, tuple(not_compared))


def judged_if_any(
    tolerance_source: str, items: Iterable[Item], not_compared: Iterable[tuple[str, str]] = ()
) -> Outcome:
    """Does the same for a port that may lack parts: without items, the level is skipped."""
    found = tuple(items)
    if not found:
        return Outcome(SKIPPED, "there is nothing to compare", (), tuple(not_compared))
    return judged(tolerance_source, found, not_compared)


def skipped(why: str, *, applies: bool = True) -> Outcome:
    """Returns the outcome of a level that was not compared.

    Args:
        why: the reason.
        applies: False if the Keras model has nothing to compare at this level.
    """
    return Outcome(SKIPPED, why, applies=applies)
