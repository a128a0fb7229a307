"""Sentences on a whole training: what was compared from recorded states, and what rounding did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from parity.ladder.items import PASS
from parity.report.sentences import count, number

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.ladder.result import Result


def items_of(level: Level) -> tuple[Item, ...]:
    """Returns the items of the whole training; of a check, those of its few steps.

    What belongs to no epoch is of the probes, whose steps are not those of the training.

    Args:
        level: of which some items are of a step.
    """
    return tuple(item for item in level.items if item.epoch is not None) or level.items


def training_texts(result: Result) -> list[str]:
    """Returns how a run was judged, and why both halves may have parted; empty for a check."""
    if result.drift is None:
        return []
    return [*_compared(result), *_parted(result), *_behaviour(result)]


def _compared(result: Result) -> list[str]:
    found = result.anchors
    if found is None or not found["steps"]:
        return []
    text = (
        f"Compared from {count(len(found['steps']), 'recorded state')} over "
        f"{found['num_trained']:,} steps: {found['num_steps']} steps later in float64, an array "
        f"differs by at most {number(max(found['difference']))} of its largest value"
    )
    if found["rounding"]:
        text += (
            f"; float32 rounds its steps at most {max(found['rounding']):.2g} times as much as "
            "Keras's"
        )
    return [f"{text}."]


def _parted(result: Result) -> list[str]:
    assert result.drift is not None
    parted, is_float32 = result.drift["parted"], result.spec.get("dtype") == "float32"
    if parted is None or result.anchors is None:
        return []
    text = f"Left alone, the two runs part from step {parted:,} on"
    if result.verdict == PASS:
        text += f", since a {'float32' if is_float32 else 'long'} training makes rounding grow"
    return [f"{text}; at the end a weight differs by {number(result.drift['difference'][-1])}."]


def _behaviour(result: Result) -> list[str]:
    level = next((each for each in result.levels if each.id == "behaviour"), None)
    verdicts = {half: told.get("verdict") for half, told in result.behaviour.items()}
    if level is None or level.status != PASS or len(set(verdicts.values())) < 2:
        return []
    limits = [
        f"{item.name} {number(item.keras)} and {number(item.torch)}, which may differ by "
        f"{number(item.allowed)} by chance"
        for item in level.items
    ]
    told = " and ".join(f"{verdict} ({half})" for half, verdict in verdicts.items())
    return [
        f"The verdicts on the fit differ, {told}, by numbers near a limit: {'; '.join(limits)}."
    ]
