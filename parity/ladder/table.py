"""The comparers of each level: of a probe, and of a whole training."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from parity.ladder.comparers import (
    anchors,
    behaviour,
    data,
    decisions,
    flow,
    forward,
    gradient,
    init,
    loss,
    metrics,
    optimizer,
    own_training,
    schedule,
    seeded,
    structure,
    training,
    trajectory,
)
from parity.ladder.own_steps import is_compared

if TYPE_CHECKING:
    from parity.ladder.outcome import Outcome
    from parity.traces.trace import Trace


def _own_or(
    own: Callable[[Trace, Trace], Outcome], probe: Callable[[Trace, Trace], Outcome]
) -> Callable[[Trace, Trace], Outcome]:
    """Returns a comparer of steps of the user's own, where both halves made some."""
    return lambda keras, port: (own if is_compared(keras, port) else probe)(keras, port)


# Each receives the traces that the probes of both halves left.
OF_PROBE = {
    "data": data.of_probe,
    "structure": structure.of_probe,
    "init": init.of_probe,
    "forward": forward.of_probe,
    "loss": _own_or(own_training.of_loss, loss.of_probe),
    "metrics": metrics.of_probe,
    "gradient": _own_or(own_training.of_gradient, gradient.of_probe),
    "optimizer": optimizer.of_probe,
    "trajectory": _own_or(own_training.of_trajectory, trajectory.of_probe),
    "schedule": schedule.of_probe,
    "behaviour": behaviour.of_probe,
}
# Of a whole training, which comes beside its probes.
OF_TRAINING = {
    "data": flow.of_training,
    "trajectory": training.trajectory,
    "schedule": training.schedule,
    "behaviour": behaviour.of_training,
}
# The same, if the Keras half recorded states: in float32, and of long trainings.
OF_ANCHORED_TRAINING = {
    "data": flow.of_training,
    "trajectory": anchors.from_states,
    "schedule": decisions.decisions,
    "behaviour": behaviour.of_training,
}
# Of a port that draws its own random numbers: Keras before its training, and the port's training.
OF_SEEDS = {"data": seeded.order, "init": seeded.weights, "forward": seeded.masks}
