"""What a comparison of probes tells, and changes of what a port computed."""

import numpy as np
from trace_changes import both, fact, put, set_to

from parity.data.probe_inputs import SCHEDULE_STEPS
from parity.ladder.items import DIFFERS, FAIL, SKIPPED

LEFT_OUT = "left out"
# Levels that most probes have nothing of, and what is told of them.
OF_NOTHING = (
    "Keras has no schedule and no callback",
    "a check trains a few steps; `parity run` and `parity sweep` train whole runs",
)


def told(levels):
    """Level -> what is told of it, if it does not simply pass.

    That is why it was skipped; or the names of items that fail, of others that differ, and what
    was left out and why.
    """
    found = {}
    for level in levels.values():
        names = {
            status: [item.name for item in level.items if item.status == status]
            for status in (FAIL, DIFFERS)
        }
        parts = {**names, LEFT_OUT: dict(level.not_compared)}
        parts = {key: part for key, part in parts.items() if part or key == level.status}
        found[level.id] = level.tolerance_source if level.status == SKIPPED else parts
    return {name: each for name, each in found.items() if each and each not in OF_NOTHING}


def moved(key, by=1e-9):
    """The largest entry of an array moved by a share of itself."""

    def change(parts):
        array = parts.arrays[key]
        place = np.unravel_index(np.abs(array).argmax(), array.shape)
        set_to(key, array[place] + by * abs(array[place]), place)(parts)

    return change


# A schedule of epochs that stops, and one of steps.
RATES = np.geomspace(0.1, 0.001, len(SCHEDULE_STEPS))
scheduled = both(
    fact(
        {
            "kind": "ExponentialDecay",
            "callbacks": [{"class": "EarlyStopping"}],
            "not_compared": ["TensorBoard"],
        },
        "schedule",
    ),
    put(
        {
            "schedule/epochs": np.geomspace(0.1, 0.01, 12),
            "schedule/stopped": 11,
            "schedule/steps": RATES,
        }
    ),
)
