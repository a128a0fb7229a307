"""Two traces made by hand, the levels that come of them, and ways to change one of them."""

import math

from parity.ladder.engine import compare_levels
from parity.ladder.items import FAIL, NOT_REACHED, PASS, SKIPPED
from parity.ladder.levels import LEVEL_IDS
from parity.ladder.table import OF_RUN

NAN, INF = math.nan, math.inf


def levels_of(keras, torch):
    """The levels of two runs."""
    return compare_levels(OF_RUN, keras, torch)


def failing(levels):
    """The one level that fails; those before it pass and those after it are not reached."""
    assert [level.id for level in levels] == list(LEVEL_IDS)
    statuses = [level.status for level in levels]
    place = statuses.index(FAIL)
    assert set(statuses[:place]) <= {PASS, SKIPPED}
    assert set(statuses[place + 1 :]) <= {NOT_REACHED}
    for level in levels[place + 1 :]:
        assert (level.items, level.tolerance_source) == (
            (),
            f"not compared: {levels[place].id} failed",
        )
    return levels[place]


def moved(key, index, by):
    """Moves one element of an array; an exact value becomes another one."""

    def change(parts):
        array = parts.arrays[key]
        array[index] = not array[index] if array.dtype == bool else array[index] + by

    return change


def other_rates(epoch, *, worse=True):
    """The torch half trains with another rate from an epoch on, and so with other weights."""

    def change(parts):
        for number in range(epoch, 3):
            parts.history["learning_rate"][number] = 0.0001
            if worse:
                parts.history["val_loss"][number] += 1
                parts.arrays["running_loss"][2 * number :] += 1
                parts.arrays[f"trajectory/{2 * number + 2}/conv1.kernel"] += 1

    return change
