"""The difference of the two runs along the training, compared with rounding alone.

In: the items of the level "trajectory"; the running losses of both halves if the traces still
exist; how the free runs part. Out: a `Picture` for the weights and one for the losses; or, of a run
with anchors, one for these and one for the free runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.ladder.compare import absolute_difference
from parity.ladder.drift import worst_of_anchors
from parity.ladder.items import FAIL, Item, Level
from parity.report.page import Cell, Picture, Table, left_out
from parity.report.pages.svg import BAND, INK, legend, log_labels
from parity.report.pages.texts import number
from parity.report.sentences import capital
from parity.report.training import items_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 200
RUNNING_LOSS = "running loss"
FROM_STATES = "greatest difference after steps from a recorded state"


def divergence_pictures(
    level: Level,
    losses: tuple[np.ndarray, np.ndarray] | None = None,
    drift: Mapping[str, Any] | None = None,
    *,
    has_anchors: bool = False,
) -> list[Picture]:
    """Returns the drawings of a trajectory.

    Args:
        level: the level "trajectory" of a run.
        losses: running loss of every step in Keras and in torch, or None.
        drift: how the weights of the free runs part, see `parity.ladder.drift`.
        has_anchors: whether the items are of steps from recorded states.
    """
    level = replace(level, items=items_of(level))
    if has_anchors:
        worst = worst_of_anchors(level)  # a level that was not compared has none
        pictures = []
        if worst:
            pictures.append(_picture("anchors", FROM_STATES, worst, level.tolerance_source))
        return pictures if drift is None else [*pictures, _free_runs(drift)]
    weights = [item for item in level.items if "." in item.name and item.step is not None]
    running = [item for item in level.items if item.name == RUNNING_LOSS and item.step is not None]
    pictures = []
    if weights:
        pictures.append(
            _picture(
                "weights", "greatest difference of any weight", weights, level.tolerance_source
            )
        )
    if running:
        pictures.append(_picture("losses", "difference of the running loss", running, "", losses))
    return pictures


def _free_runs(drift: Mapping[str, Any]) -> Picture:
    """Draws how far apart the weights of the free runs are."""
    rows = list(zip(drift["steps"], drift["difference"], strict=True))
    what = "greatest difference of any weight of the free runs"

    def paint(figure: Figure) -> None:
        axes = figure.subplots(
            gridspec_kw={"left": 0.135, "right": 0.98, "top": 0.87, "bottom": 0.16}
        )
        shown = [(step, value) for step, value in rows if 0 < value < np.inf]
        axes.plot(*zip(*shown, strict=True) if shown else ((), ()), color=INK, lw=1.3, label=what)
        axes.set_yscale("log")
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("difference")
        log_labels(axes)
        legend(axes)

    told = "they never part" if drift["parted"] is None else f"they part at step {drift['parted']}"
    return Picture(
        name="divergence-free",
        height=2.9,
        paint=paint,
        caption=f"{capital(what)}, which are not judged by it: {told}.",
        description=f"{what} against the optimizer step: {told}.",
        table=Table(
            caption=f"{what} by step",
            head=("step", "difference"),
            rows=tuple((Cell(f"{step:,}"), Cell(number(v))) for step, v in rows[:MAX_ROWS]),
            numeric=frozenset({0, 1}),
            notes=left_out(len(rows), MAX_ROWS, "steps"),
        ),
    )


def _picture(
    name: str,
    what: str,
    items: Sequence[Item],
    source: str,
    losses: tuple[np.ndarray, np.ndarray] | None = None,
) -> Picture:
    items = sorted(items, key=lambda item: item.step or 0)
    steps = np.array([item.step for item in items], float)
    worst = np.array([item.worst for item in items], float)
    allowed = np.array([item.allowed for item in items], float)

    def paint(figure: Figure) -> None:
        axes = figure.subplots(
            gridspec_kw={"left": 0.135, "right": 0.98, "top": 0.87, "bottom": 0.16}
        )
        shown = [v for v in (*worst, *allowed) if 0 < v < np.inf]
        floor = min(shown, default=1e-16) / 3
        limit = np.clip(np.nan_to_num(allowed, posinf=np.inf), floor, max(shown, default=1) * 3)
        ends = steps
        if losses is not None and len(losses[0]) > steps[-1]:  # what is allowed never shrinks much
            ends, limit = np.append(steps, len(losses[0])), np.append(limit, limit[-1])
        axes.fill_between(ends, floor / 3, limit, color=BAND, alpha=0.25, lw=0, label="allowed")
        axes.plot(ends, limit, color=BAND, lw=1)
        if losses is not None and (apart := absolute_difference(*losses)).size:
            every = np.where(np.isfinite(apart) & (apart > 0), apart, np.nan)
            axes.plot(np.arange(1, len(apart) + 1), every, color=INK, lw=0.6, alpha=0.6)
        finite = np.isfinite(worst)
        axes.plot(
            steps[finite],
            np.maximum(worst[finite], floor),
            color=INK,
            lw=0 if losses is not None else 1.3,
            marker="o",
            ms=3,
            label=what,
        )
        axes.set_yscale("log")
        if steps[-1] > 100 * steps[0] > 0:
            axes.set_xscale("log")
            log_labels(axes, "x")
        axes.set_ylim(bottom=floor / 3)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("difference")
        log_labels(axes)
        legend(axes)

    place = int(np.argmax(np.where(np.isnan(worst), np.inf, worst)))
    above = [item for item in items if item.status == FAIL]
    told = f"at most {number(worst[place])}, after step {items[place].step}"
    told += (
        f"; {len(above)} of {len(items)} are above the limit, the first at step {above[0].step}"
        if above
        else "; never above the limit"
    )
    rows = [
        (
            Cell(f"{item.step:,}"),
            Cell(item.name),
            Cell(number(item.worst), "fail" if item.status == FAIL else ""),
            Cell(number(item.allowed)),
        )
        for item in items
    ]
    return Picture(
        name=f"divergence-{name}",
        height=2.9,
        paint=paint,
        caption=f"{capital(what)} after each recorded step: {told}."
        + (f" Allowed: {source}." if source else ""),
        description=f"{what} against the optimizer step, with the limit: {told}.",
        table=Table(
            caption=f"{what} by step",
            head=("step", "item", "worst", "allowed"),
            rows=tuple(rows[:MAX_ROWS]),
            numeric=frozenset({0, 2, 3}),
            notes=left_out(len(rows), MAX_ROWS, "steps"),
        ),
    )
