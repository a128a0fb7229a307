"""The comparers of each level: of a probe, and of a whole training."""

from __future__ import annotations

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
    schedule,
    seeded,
    structure,
    training,
    trajectory,
)

# Each receives the traces that the probes of both halves left.
OF_PROBE = {
    "data": data.of_probe,
    "structure": structure.of_probe,
    "init": init.of_probe,
    "forward": forward.of_probe,
    "loss": loss.of_probe,
    "metrics": metrics.of_probe,
    "gradient": gradient.of_probe,
    "optimizer": optimizer.of_probe,
    "trajectory": trajectory.of_probe,
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
