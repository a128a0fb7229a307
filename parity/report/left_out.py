"""Texts of what a run or a check has not compared, without effect on the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from parity.ladder.result import Result

MOST_NAMES = 6  # of what was not compared for one reason; report.json has all


def left_out_texts(result: Result) -> list[str]:
    """Returns what was not compared without effect on the verdict, a text for each reason.

    A level knows both halves: what it says of a thing stands for what Keras alone has told.
    """
    of_levels = [pair for level in result.levels for pair in level.not_compared]
    known = {what for what, _ in of_levels}
    told = [(e["what"], e["why"]) for e in result.not_compared if e["what"] not in known]
    told += of_levels
    reasons: dict[str, list[str]] = {}
    for what, why in dict.fromkeys(told):
        reasons.setdefault(why, []).append(what)
    return [f"{_some(names)}: {why}" for why, names in reasons.items()]


def _some(names: Sequence[str]) -> str:
    """Returns names with commas; of many, the first ones, and how many more there are."""
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"
