"""A port's own loop is held to the order of the batches and its habit; a step is left to it."""

import numpy as np
from rows import each_row
from traces import anchored_parts

from parity.ladder.items import FAIL, PASS, SKIPPED, Level
from parity.ladder.own_loop import (
    BATCH_OF_STEP,
    BATCHES,
    OPTIMIZER_STEPS,
    OWN_LOOP,
    STEPS_OF_BATCH,
    left_to_loop,
    loop_left_open,
    of_loop,
)

IN_ORDER = [0, 1, 2, 3] * 3


class Trace(dict):
    """What a port's training leaves: three epochs of four batches."""

    def __init__(self, arrays, **facts):
        super().__init__({key: np.array(value) for key, value in arrays.items()})
        self.facts = {"epoch_ends": [4, 8, 12], **facts}


def items_of(batches, steps):
    found = of_loop(anchored_parts(), Trace({BATCHES: batches, OPTIMIZER_STEPS: steps}))
    return {item.name: item for item in found}


def put(values, place, value):
    return [*values[:place], value, *values[place + 1 :]]


ONES, TWOS, EVERY_SECOND = [1] * 12, [2] * 12, [0, 1] * 6


@each_row(
    "batches, steps, name, expected",
    [
        (IN_ORDER, ONES, None, None),
        (IN_ORDER, TWOS, None, None),
        (IN_ORDER, EVERY_SECOND, None, None),
        # Batches that are augmented before they are used are none that was given.
        ([-1] * 12, ONES, None, None),
        (put(IN_ORDER, 6, -1), ONES, None, None),
        # The third batch of the second epoch is the second one again, or of the next.
        (put(IN_ORDER, 6, 1), ONES, BATCH_OF_STEP, (3, 2, 1, 7)),
        (put(put(IN_ORDER, 9, 2), 10, 1), ONES, BATCH_OF_STEP, (2, 3, 2, 10)),
        (IN_ORDER, put(ONES, 7, 2), STEPS_OF_BATCH, (1, 2, 1, 8)),
        (IN_ORDER, put(ONES, 11, 0), STEPS_OF_BATCH, (1, 0, 2, 12)),
        (IN_ORDER, put(EVERY_SECOND, 4, 1), STEPS_OF_BATCH, (0, 1, 1, 5)),
    ],
)
def test_another_batch_and_another_number_of_steps_are_told_at_the_first_place(
    batches, steps, name, expected
):
    found = items_of(batches, steps)
    assert {each for each, item in found.items() if not item.agrees} == ({name} if name else set())
    if name:
        item = found[name]
        assert (item.keras, item.torch, item.epoch, item.step) == expected


def test_where_nothing_is_usual_no_number_of_steps_is_a_difference():
    assert set(items_of(IN_ORDER, [1, 0, 2, 0, 1, 2, 0, 2, 2, 1, 0, 0])) == {BATCH_OF_STEP}


def test_a_port_without_a_loop_has_nothing_of_it():
    assert list(of_loop(anchored_parts(), Trace({}))) == []


STATUSES = {"forward": FAIL, "optimizer": FAIL, "schedule": PASS}
LEVELS = [Level(name, status, "measured") for name, status in STATUSES.items()]


@each_row("has_loop, statuses", [(True, [FAIL, SKIPPED, PASS]), (False, [FAIL, FAIL, PASS])])
def test_plain_steps_that_differ_are_left_to_a_loop_and_told(has_loop, statuses):
    levels = left_to_loop(LEVELS, Trace({}, given={"train_epoch": has_loop}))
    assert [level.status for level in levels] == statuses
    told = [(each["what"], each["why"].partition(",")[0]) for each in loop_left_open(levels)]
    text = "a plain step differs from Keras's (optimizer)"
    assert told == ([(OWN_LOOP, text)] if has_loop else [])
