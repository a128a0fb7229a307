"""A port's own loop is held to the order of the batches and its habit; a step is left to it."""

import numpy as np
from rows import each_row

from parity.ladder.compare import compare_exact
from parity.ladder.items import FAIL, PASS, SKIPPED, Level
from parity.ladder.own_loop import (
    BATCH_OF_STEP,
    BATCHES,
    MODE_OF_STEP,
    OPTIMIZER_STEPS,
    OWN_LOOP,
    PASSES,
    PASSES_OF_BATCH,
    PERIOD,
    STEPS_OF_BATCH,
    TRAINING,
    left_to_loop,
    loop_left_open,
    loop_not_compared,
    of_loop,
)

IN_ORDER = [0, 1, 2, 3] * 3


class Trace(dict):
    """What a port's training leaves: three epochs of four batches."""

    def __init__(self, arrays, **facts):
        super().__init__({key: np.array(value) for key, value in arrays.items()})
        self.facts = {"epoch_ends": [4, 8, 12], **facts}


def items_of(batches, steps, period=1, modes=(), passes=None):
    arrays = {BATCHES: batches, OPTIMIZER_STEPS: steps, PERIOD: period}
    arrays |= {} if passes is None else {PASSES: passes}
    arrays[TRAINING] = [place not in modes for place in range(12)]
    return {item.name: item for item in of_loop(Trace(arrays))}


def put(values, place, value):
    return [*values[:place], value, *values[place + 1 :]]


ONES, TWOS, EVERY_SECOND = [1] * 12, [2] * 12, [0, 1] * 6


@each_row(
    "batches, steps, more, name, expected",
    [
        (IN_ORDER, ONES, {}, None, None),
        (IN_ORDER, TWOS, {}, None, None),
        (IN_ORDER, EVERY_SECOND, {"period": 2}, None, None),
        # Batches that are augmented before they are used are none that was given.
        ([-1] * 12, ONES, {}, None, None),
        (put(IN_ORDER, 6, -1), ONES, {}, None, None),
        # The third batch of the second epoch is the second one again, or of the next.
        (put(IN_ORDER, 6, 1), ONES, {}, BATCH_OF_STEP, (3, 2, 1, 7)),
        (put(put(IN_ORDER, 9, 2), 10, 1), ONES, {}, BATCH_OF_STEP, (2, 3, 2, 10)),
        (IN_ORDER, put(ONES, 7, 2), {}, STEPS_OF_BATCH, (1, 2, 1, 8)),
        (IN_ORDER, put(ONES, 11, 0), {}, STEPS_OF_BATCH, (1, 0, 2, 12)),
        (IN_ORDER, put(EVERY_SECOND, 4, 1), {"period": 2}, STEPS_OF_BATCH, (0, 1, 1, 5)),
        # The last batch of each epoch twice is a habit, but none of Keras's.
        (IN_ORDER, [1, 1, 1, 2] * 3, {}, STEPS_OF_BATCH, (1, 2, 0, 4)),
        (IN_ORDER, ONES, {"modes": (5, 6)}, MODE_OF_STEP, (1, 0, 1, 6)),
        # Statistics are moved by each pass in train mode.
        (IN_ORDER, ONES, {"passes": TWOS}, None, None),
        (IN_ORDER, ONES, {"passes": put(ONES, 9, 2)}, PASSES_OF_BATCH, (1, 2, 2, 10)),
    ],
)
def test_another_batch_and_another_number_of_steps_are_told_at_the_first_place(
    batches, steps, more, name, expected
):
    found = items_of(batches, steps, **more)
    assert {each for each, item in found.items() if not item.agrees} == ({name} if name else set())
    if name:
        item = found[name]
        assert (item.keras, item.torch, item.epoch, item.step) == expected


def test_a_port_without_a_loop_has_nothing_of_it():
    assert list(of_loop(Trace({}))) == []


STATUSES = {"forward": FAIL, "loss": FAIL, "optimizer": FAIL, "trajectory": PASS, "schedule": FAIL}
LEVELS = [Level(name, status, "measured") for name, status in STATUSES.items()]


@each_row(
    "names, status",
    [(["dense.kernel.average"], SKIPPED), (["dense.kernel", "dense.kernel.average"], FAIL)],
)
def test_averages_that_plain_steps_lack_are_left_to_a_loop(names, status):
    items = tuple(compare_exact(name, 1, 2) for name in names)
    levels = [Level("optimizer", FAIL, "measured", items)]
    port = Trace({}, given={"train_epoch": True, "scheduler": True})
    assert [level.status for level in left_to_loop(levels, port, ())] == [status]


@each_row(
    "has_loop, has_scheduler, names, left",
    [
        (True, True, {}, ["loss", "optimizer", "schedule"]),
        (True, True, {"names": ()}, []),
        (True, False, {"names": ()}, ["schedule"]),
        (False, False, {}, []),
    ],
)
def test_plain_steps_that_differ_are_left_to_a_loop_and_told(has_loop, has_scheduler, names, left):
    given = {"train_epoch": has_loop, "scheduler": has_scheduler}
    port = Trace({}, given=given)
    levels = left_to_loop(LEVELS, port, **names)
    assert [level.id for level in levels if level.status == SKIPPED] == left
    assert [level.status for level in levels if level.id not in left] == [
        STATUSES[name] for name in STATUSES if name not in left
    ]
    told = [(each["what"], each["why"].partition(",")[0]) for each in loop_left_open(levels)]
    text = f"a plain step differs from Keras's ({left[0]}" if left else ""
    assert told == ([(OWN_LOOP, text + (")" if len(left) == 1 else ""))] if left else [])
    untold = [each["what"] for each in loop_not_compared(levels, port)]
    assert untold == ([OWN_LOOP] if has_loop and not left else [])
