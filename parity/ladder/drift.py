"""What a result tells of anchors, and of how the two free runs part."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import absolute_difference
from parity.ladder.items import ROUNDINGS
from parity.traces.anchors import NUM_STEPS

if TYPE_CHECKING:
    from parity.ladder.items import Item, Level
    from parity.traces.trace import Trace

# Two runs have parted when a weight differs by so many units in the last place of the largest one.
PARTED = 100
WEIGHTS = "training/weights"


def told_anchors(keras: Trace, level: Level) -> dict[str, Any] | None:
    """Returns how far the port is from the reference at each anchor; None without anchors.

    Args:
        keras: trace of the reference.
        level: the level "trajectory".

    Returns:
        The fields of `parity.ladder.result_record.AnchorsRecord`.
    """
    if "anchors" not in keras.facts:
        return None
    worst = worst_of_anchors(level)
    return {
        "num_steps": NUM_STEPS,
        "num_trained": len(keras["training/rates"]),
        "steps": [item.step for item in worst],
        "difference": [item.worst for item in worst],
        "allowed": [item.allowed for item in worst],
        "rounding": [item.worst for item in level.items if item.unit == ROUNDINGS],
    }


def worst_of_anchors(level: Level) -> list[Item]:
    """Returns, of the steps from each anchor, the item that is nearest to its limit."""
    found: dict[int, Item] = {}
    for item in level.items:
        if item.unit == "rel" and item.step is not None:
            found[item.step] = max(found.get(item.step, item), item, key=lambda each: each.ratio)
    return list(found.values())


def told_drift(keras: Trace, torch: Trace) -> dict[str, Any]:
    """Returns how the weights of the two free runs part.

    Returns:
        The "steps" at which both recorded their weights, the greatest "difference" of a weight at
        each, and the first step at which they have "parted", or None.
    """
    steps = sorted({*keras.numbers(WEIGHTS)} & {*torch.numbers(WEIGHTS)})
    differences, parted = [], None
    epsilon = float(np.finfo(keras.spec["dtype"]).eps)
    for step in steps:
        keys = [f"{WEIGHTS}/{step}/{name}" for name in torch.below(f"{WEIGHTS}/{step}")]
        apart = [float(absolute_difference(keras[key], torch[key]).max()) for key in keys]
        differences.append(max(apart))
        size = max(float(np.abs(keras[key]).max()) for key in keys)
        if parted is None and not max(apart) <= PARTED * epsilon * size:
            parted = step
    return {"steps": steps, "difference": differences, "parted": parted}
