"""The levels that come of two traces of trainings, and ways to change one of them."""

import math

from traces import STEPS_PER_EPOCH

from parity.ladder.engine import OF_ANCHORED_TRAINING, OF_TRAINING, compare_level
from parity.ladder.items import FAIL, PASS, SKIPPED

NAN, INF = math.nan, math.inf
# No port of these tests augments by itself.
AGREE = {"data": SKIPPED, "trajectory": PASS, "schedule": PASS, "behaviour": PASS}


def levels_of(keras, torch):
    """The levels of two trainings, by name."""
    comparers = OF_ANCHORED_TRAINING if "anchors" in keras.facts else OF_TRAINING
    return {name: compare_level(name, comparers, keras, torch) for name in comparers}


def statuses(levels):
    return {name: level.status for name, level in levels.items()}


def failing(levels):
    """The one level that fails."""
    (found,) = (level for level in levels.values() if level.status == FAIL)
    return found


def failed(outcome):
    """What fails of an outcome or a level, and when."""
    return [(item.name, item.epoch, item.step) for item in outcome.items if item.status == FAIL]


def other_rates(epoch):
    """The torch half trains with another rate from an epoch on, and so with other weights."""

    def change(parts):
        step = STEPS_PER_EPOCH * epoch
        parts.arrays["training/rates"][step:] = 0.0001
        parts.arrays["training/loss"][step:] += 1
        for number in range(epoch, len(parts.history["learning_rate"])):
            parts.history["learning_rate"][number] = 0.0001
            parts.history["val_loss"][number] += 1
        for key, array in parts.arrays.items():
            kind, _, rest = key.removeprefix("training/").partition("/")
            if kind == "final" or (kind == "weights" and int(rest.partition("/")[0]) > step):
                array += 1

    return change
