"""Differences layer by layer: outputs, gradients, optimizer state, and weights over the steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from parity.data.probe_inputs import MAX_STEP_ENTRIES
from parity.errors import ParityError, RunError
from parity.ladder.compare import absolute_difference
from parity.ladder.items import ACCEPTED, DIFFERS, FAIL, LOG_P, Item, Level
from parity.ladder.levels import LEVELS
from parity.report import page
from parity.report.page import Block, Cell, Folded, Table
from parity.report.pages.texts import number, share
from parity.report.sentences import allowance, amount, is_inherited, item_name, moment
from parity.traces.folder import RunFolder
from parity.traces.trace import Trace

if TYPE_CHECKING:
    from parity.ladder.result import Result
    from parity.report.read import FoundRun

TITLES = {row.id: row.title for row in LEVELS}
OPEN = ("forward", "gradient")
# An item that only tells where a difference begins does not fail its level, nor one that the user
# accepts.
_LOOKS = {FAIL: page.FAIL, DIFFERS: page.WARN, ACCEPTED: page.WARN}
_RANK = {FAIL: 0, DIFFERS: 1, ACCEPTED: 1}
MAX_ROWS = 120
MANY = 40  # rows of a table that is shown whole
WEIGHTS = "training/weights"  # in a trace: after each recorded step
MAX_STEPS = 12  # columns of the matrix of weights
MAX_WEIGHTS = 80  # rows of it


def layer_blocks(result: Result) -> list[Block]:
    """Returns a table for every level with items; those that fail by themselves are first, open."""
    levels = [level for level in result.levels if level.items]
    failed = [each for each in levels if each.status == FAIL and not is_inherited(result, each)]
    levels.sort(key=lambda level: (level not in failed, level.id not in OPEN))
    blocks: list[Block] = []
    for level in levels:
        table = _table(level)
        if level in failed or level.id in OPEN:
            blocks += _open(table)
        else:
            blocks.append(Folded(f"{TITLES[level.id]} ({level.id})", (table,)))
    return blocks


def _open(table: Table) -> list[Block]:
    """Returns a table; of a long one, what is within its limit is folded."""
    if len(table.rows) <= MANY:
        return [table]
    above = tuple(row for row in table.rows if row[0].look)
    within = tuple(row for row in table.rows if not row[0].look)
    title = table.caption.partition(":")[0]
    blocks: list[Block] = [replace(table, rows=above)] if above else []
    if within:
        rest = replace(table, caption=f"{title}, within the limit", rows=within)
        blocks.append(Folded(f"{title}: {len(within)} items within their limit", (rest,)))
    return blocks


def _table(level: Level) -> Table:
    items = list(level.items)
    if len(items) > MAX_ROWS:  # failed items, then those closest to their limit
        kept = sorted(items, key=lambda item: (_RANK.get(item.status, 2), -item.ratio))[:MAX_ROWS]
        items = [item for item in items if any(item is one for one in kept)]
    left = len(level.items) - len(items)
    return Table(
        caption=f"{TITLES[level.id]} ({level.id}): {level.tolerance_source}",
        head=("item", "differs", "allowed", "unit", "compared", "Keras there", "PyTorch there"),
        rows=tuple(_row(item) for item in items),
        numeric=frozenset({1, 2, 4}),
        notes=(f"{left:,} items further from their limit are left out",) if left else (),
    )


def _row(item: Item) -> tuple[Cell, ...]:
    look = _LOOKS.get(item.status, "")
    differs, is_p = item.worst != 0, item.unit == LOG_P
    return (
        Cell(item_name(item) + moment(item), look),
        Cell(
            number(item.worst) if not is_p else amount(item),
            look,
            share=share(item.worst, item.allowed),
        ),
        Cell(allowance(item)),
        Cell("p" if is_p else item.unit),
        Cell(f"{item.num_compared:,}"),
        Cell(_value(item.keras) if differs else ""),
        Cell(_value(item.torch) if differs else ""),
    )


def _value(value: object) -> str:
    return f"{value:.9g}" if isinstance(value, float) else "" if value is None else str(value)


def trajectory_table(found: FoundRun) -> list[Table]:
    """Returns the greatest difference of every weight at some of the recorded steps."""
    if found.keras is None or found.torch is None:
        return []
    keras, torch = found.keras, found.torch
    try:
        steps = _spread(sorted({*keras.numbers(WEIGHTS)} & {*torch.numbers(WEIGHTS)}))
        names = _in_order(found, torch.below(f"{WEIGHTS}/{steps[0]}")) if steps else []
        keys = [[f"{WEIGHTS}/{step}/{name}" for step in steps] for name in names[:MAX_WEIGHTS]]
        apart = np.array([[_greatest(keras[key], torch[key]) for key in row] for row in keys])
    except RunError:  # the ladder tells of it
        return []
    if not apart.size:
        return []
    positive = apart[(apart > 0) & np.isfinite(apart)]
    low, high = (positive.min(), positive.max()) if positive.size else (1.0, 1.0)
    rows = tuple(
        (Cell(name), *(Cell(number(value), share=_shade(value, low, high)) for value in row))
        for name, row in zip(names, apart, strict=False)
    )
    return [
        Table(
            caption=f"Greatest difference of each weight by step of the training, of at most "
            f"{MAX_STEP_ENTRIES:,} of its values; darker is greater (log scale)",
            head=("weight", *(f"{step:,}" for step in steps)),
            rows=rows,
            numeric=frozenset(range(1, len(steps) + 1)),
            is_shaded=True,
        )
    ]


def _in_order(found: FoundRun, names: Sequence[str]) -> list[str]:
    """Returns names of weights in the order of the layers, which the probes tell."""
    order: Sequence[str] = ()
    if found.folder is not None:
        with suppress(ParityError):
            order = list(Trace(RunFolder(found.folder).half("keras").path).facts["weights"])
    place = {name: number for number, name in enumerate(order)}
    return sorted(names, key=lambda name: place.get(name, len(place)))


def _spread(steps: Sequence[int]) -> list[int]:
    """At most MAX_STEPS of the steps, the first and the last among them."""
    if len(steps) <= MAX_STEPS:
        return list(steps)
    return [steps[round(n * (len(steps) - 1) / (MAX_STEPS - 1))] for n in range(MAX_STEPS)]


def _greatest(keras: np.ndarray, torch: np.ndarray) -> float:
    if keras.shape != torch.shape:
        return math.inf
    return float(absolute_difference(keras, torch).max(initial=0.0))


def _shade(value: float, low: float, high: float) -> float:
    if value == 0:
        return 0.0
    if not math.isfinite(value) or high <= low:
        return 1.0
    return 0.1 + 0.9 * math.log(value / low) / math.log(high / low)
