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
        compares: what it compares, in a probe or a whole training.
    """

    id: str
    title: str
    compares: str


LEVELS = (
    LevelRow("data", "Data", "the data, and the input of the first layer"),
    LevelRow("structure", "Structure", "layers, parameters and their shapes"),
    LevelRow("init", "Initial weights", "initial weights, or how they are drawn"),
    LevelRow("forward", "Output of every layer", "dropout masks, output of every layer"),
    LevelRow("loss", "Loss", "the loss and its penalties"),
    LevelRow("metrics", "Metrics", "metrics after one batch and after several"),
    LevelRow("gradient", "Gradient of every parameter", "gradient of every parameter"),
    LevelRow(
        "optimizer",
        "Optimizer state and weights after a step",
        "steps of the optimizer and its state",
    ),
    LevelRow("trajectory", "Trajectory", "weights and losses of a training"),
    LevelRow("schedule", "Learning rates", "learning rates, and the last epoch"),
    LevelRow("behaviour", "Behaviour", "the verdict on the fit"),
)
LEVEL_IDS = tuple(row.id for row in LEVELS)
