"""The engine of the ladder: goes through the levels, with the comparers that a table lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVarTuple

from parity.ladder.comparers import (
    custom_training,
    decisions,
    flow,
    forward,
    gradient,
    loss,
    optimizer,
    schedule,
    structure,
    training,
)
from parity.ladder.custom_steps import is_compared
from parity.ladder.items import FAIL, LEVELS, PASS, SKIPPED, Level

if TYPE_CHECKING:
    from parity.ladder.items import Outcome
    from parity.traces.trace import KerasTrace, PortTrace


# --- Judges a level with the user's own tolerance in the place of the project's -------------------


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


# --- The comparers of each level: of a probe, and of a whole training -----------------------------

Compare = Callable[["KerasTrace", "PortTrace"], "Outcome"]


def _custom_or(custom: Compare, probe: Compare) -> Compare:
    """Returns a comparer of steps of the user's own, where both halves made some."""
    return lambda keras, port: (custom if is_compared(keras, port) else probe)(keras, port)


# Each receives the traces that the probes of both halves left.
OF_PROBE = {
    "data": structure.data_of_probe,
    "structure": structure.of_probe,
    "init": structure.init_of_probe,
    "forward": forward.of_probe,
    "loss": _custom_or(custom_training.of_loss, loss.of_probe),
    "metrics": loss.metrics_of_probe,
    "gradient": _custom_or(custom_training.of_gradient, gradient.of_probe),
    "optimizer": optimizer.of_probe,
    "trajectory": _custom_or(custom_training.of_trajectory, optimizer.trajectory_of_probe),
    "schedule": schedule.of_probe,
    "behaviour": training.of_probe,
}
# Of a whole training, which comes beside its probes.
OF_TRAINING = {
    "data": flow.of_training,
    "trajectory": training.trajectory,
    "schedule": training.schedule,
    "behaviour": training.of_training,
}
# The same, if the Keras half recorded states: in float32, and of long trainings.
OF_ANCHORED_TRAINING = {
    "data": flow.of_training,
    "trajectory": decisions.from_states,
    "schedule": decisions.decisions,
    "behaviour": training.of_training,
}
# Of a port that draws its own random numbers: Keras before its training, and the port's training.
OF_SEEDS = {"data": training.order, "init": training.weights, "forward": training.masks}


# --- The engine of the ladder: goes through the levels in order -----------------------------------
#
# Every level is fed with Keras's own state, so that one that fails does not stop the next. The
# engine knows neither traces nor bundles: it passes both sides to the comparer of each level.


Sides = TypeVarTuple("Sides")


def compare_levels(
    comparers: Mapping[str, Callable[[*Sides], Outcome]],
    *sides: *Sides,
    names: Sequence[str] = (),
) -> tuple[Level, ...]:
    """Compares two sides level by level.

    Args:
        comparers: the comparer of each level of `LEVELS`, such as `OF_PROBE` of
            `parity.ladder.engine`.
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
