"""Ways to change what a port computed in a probe, and what came of it."""

import numpy as np

from parity.ladder.items import DIFFERS, FAIL


def statuses(levels):
    return {name: level.status for name, level in levels.items()}


def failed(levels):
    """The only level that failed, and the names of its failed items."""
    found = [level for level in levels.values() if level.status == FAIL]
    assert len(found) == 1, statuses(levels)
    return found[0].id, [item.name for item in found[0].items if item.status == FAIL]


def differing(levels):
    """Level -> names of its items that differ and decide nothing."""
    names = {
        level.id: [item.name for item in level.items if item.status == DIFFERS]
        for level in levels.values()
    }
    return {level: items for level, items in names.items() if items}


def moved(key, by=1e-9):
    """The largest entry of an array of the port moved by a share of itself."""

    def change(port):
        array = port.arrays[key] = np.array(port.arrays[key])
        place = np.unravel_index(np.abs(array).argmax(), array.shape)
        array[place] += by * abs(array[place])

    return change


def fact(value, *path):
    def change(port):
        inner = port.facts
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    return change


def scheduled(r):
    """A schedule of epochs that stops, and one of steps."""
    from parity.data.probe_inputs import SCHEDULE_STEPS

    r.facts["schedule"] = {"kind": "ExponentialDecay", "callbacks": [{"class": "EarlyStopping"}]}
    r.facts["schedule"]["not_compared"] = ["TensorBoard"]
    r.arrays["schedule/epochs"] = np.geomspace(0.1, 0.01, 12)
    r.arrays["schedule/stopped"] = np.array(11)
    r.arrays["schedule/steps"] = np.geomspace(0.1, 0.001, len(SCHEDULE_STEPS))
