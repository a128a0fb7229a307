"""The comparers of each level: of a whole run, of a probe, and of a user's training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from parity.ladder.comparers import (
    behaviour,
    data,
    flow,
    forward,
    gradient,
    init,
    loss,
    metrics,
    optimizer,
    schedule,
    seeded,
    structure,
    training,
    training_anchors,
    trajectory,
)

if TYPE_CHECKING:
    from parity.ladder.outcome import Outcome
    from parity.traces.trace import Trace


class Comparers(NamedTuple):
    """The comparers of one level.

    Attributes:
        of_run: receives the traces of both halves.
        of_probe: receives the traces that both halves of a check left.
    """

    of_run: Callable[[Trace, Trace], Outcome]
    of_probe: Callable[[Trace, Trace], Outcome]


COMPARERS = {
    "data": Comparers(data.of_run, data.of_probe),
    "structure": Comparers(structure.of_run, structure.of_probe),
    "init": Comparers(init.of_run, init.of_probe),
    "forward": Comparers(forward.of_run, forward.of_probe),
    "loss": Comparers(loss.of_run, loss.of_probe),
    "metrics": Comparers(metrics.of_run, metrics.of_probe),
    "gradient": Comparers(gradient.of_run, gradient.of_probe),
    "optimizer": Comparers(optimizer.of_run, optimizer.of_probe),
    "trajectory": Comparers(trajectory.of_run, trajectory.of_probe),
    "schedule": Comparers(schedule.of_run, schedule.of_probe),
    "behaviour": Comparers(behaviour.of_run, behaviour.of_probe),
}
OF_RUN = {name: row.of_run for name, row in COMPARERS.items()}
OF_PROBE = {name: row.of_probe for name, row in COMPARERS.items()}
# Of the whole training of a user's program, which comes beside its probes.
OF_TRAINING = {
    "data": flow.of_training,
    "trajectory": training.trajectory,
    "schedule": training.schedule,
    "behaviour": behaviour.of_training,
}
# The same, if both halves trained in float32 and the Keras half recorded states.
OF_ANCHORED_TRAINING = {
    "data": flow.of_training,
    "trajectory": training_anchors.from_states,
    "schedule": training_anchors.decisions,
    "behaviour": behaviour.of_training,
}
# Of a port that draws its own random numbers: Keras before its training, and the port's training.
OF_SEEDS = {"data": seeded.order, "init": seeded.weights, "forward": seeded.masks}
