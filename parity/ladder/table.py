"""Who compares each level: a row has the comparer of a whole run and that of a probe."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from parity.ladder.comparers import (
    behaviour,
    data,
    forward,
    gradient,
    init,
    loss,
    optimizer,
    schedule,
    structure,
    trajectory,
)

if TYPE_CHECKING:
    from parity.ladder.outcome import Outcome
    from parity.ladder.tolerance import Tolerance
    from parity.traces.bundle import Bundle
    from parity.traces.trace import Trace


class Comparers(NamedTuple):
    """The comparers of one level.

    Attributes:
        of_run: takes the traces of both halves and what the trajectory may differ by.
        of_probe: takes a bundle and what the port made of it.
    """

    of_run: Callable[[Trace, Trace, Tolerance], Outcome]
    of_probe: Callable[[Bundle, Trace], Outcome]


COMPARERS = {
    "data": Comparers(data.of_run, data.of_probe),
    "structure": Comparers(structure.of_run, structure.of_probe),
    "init": Comparers(init.of_run, init.of_probe),
    "forward": Comparers(forward.of_run, forward.of_probe),
    "loss": Comparers(loss.of_run, loss.of_probe),
    "gradient": Comparers(gradient.of_run, gradient.of_probe),
    "optimizer": Comparers(optimizer.of_run, optimizer.of_probe),
    "trajectory": Comparers(trajectory.of_run, trajectory.of_probe),
    "schedule": Comparers(schedule.of_run, schedule.of_probe),
    "behaviour": Comparers(behaviour.of_run, behaviour.of_probe),
}
OF_RUN = {name: row.of_run for name, row in COMPARERS.items()}
OF_PROBE = {name: row.of_probe for name, row in COMPARERS.items()}
