"""The levels of the ladder: the one table of their names and their order.

It imports nothing slow, since the shell uses it to complete names of levels.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LevelRow:
    """One level.

    Attributes:
        id: its name on the command line, in the JSON and in reports.
        title: heading of its table in a report.
        compares: what it compares, for a whole run or a probe.
        after: the level before it; if that one fails or is not reached, this one is not reached.
    """

    id: str
    title: str
    compares: str
    after: str | None


LEVELS = (
    LevelRow("data", "Data", "the data, and the input of the first layer", None),
    LevelRow("structure", "Structure", "layers, parameters and their shapes", "data"),
    LevelRow("init", "Initial weights", "initial weights, or how they are drawn", "structure"),
    LevelRow("forward", "Output of every layer", "dropout masks, output of every layer", "init"),
    LevelRow("loss", "Loss", "the loss and its penalties", "forward"),
    LevelRow("metrics", "Metrics", "metrics after one batch and after several", "loss"),
    LevelRow("gradient", "Gradient of every parameter", "gradient of every parameter", "metrics"),
    LevelRow(
        "optimizer",
        "Optimizer state and weights after a step",
        "steps of the optimizer and its state",
        "gradient",
    ),
    LevelRow("trajectory", "Trajectory", "weights and losses of a training", "optimizer"),
    LevelRow("schedule", "Learning rates", "learning rates, and the last epoch", "trajectory"),
    LevelRow("behaviour", "Behaviour", "the verdict on the fit", "schedule"),
)
LEVEL_IDS = tuple(row.id for row in LEVELS)
