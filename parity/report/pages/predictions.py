"""Predictions of both models, images that they have augmented, and how the two runs part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from parity.errors import ParityError, RunError
from parity.ladder.anchored_tolerance import worst_of_anchors
from parity.ladder.compare import absolute_difference
from parity.ladder.items import FAIL, Item, Level
from parity.programs.run_spec import RunSpec
from parity.report.page import Block, Cell, Picture, Strip, Strips, Table, Text
from parity.report.pages.svg import (
    BAND,
    INK,
    MAX_SIDE,
    NAMES,
    data_url,
    figure,
    legend,
    log_labels,
    on_one_scale,
)
from parity.report.sentences import capital, items_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from parity.report.read import FoundRun


# --- The first images that each half has augmented, and their difference --------------------------
#
# A trace has them where `fit` is fed by a flow of ImageDataGenerator and the port augments itself.
# Of arrays there is nothing to show: the port is fed Keras's.


IMAGES = "training/images/1"  # in a trace: of the first step
MAX_SAMPLE_IMAGES = 12
FEW_IMAGES = 8  # number of images of the largest size on the page


def sample_blocks(found: FoundRun) -> list[Block]:
    """Returns rows of images: Keras's, PyTorch's, and their difference."""
    traces = [trace for trace in (found.keras, found.torch) if trace is not None]
    if len(traces) < 2 or not all(IMAGES in trace for trace in traces):
        return []
    try:
        keras, torch = (trace[IMAGES] for trace in traces)
    except RunError:  # a damaged array
        return []
    if keras.shape != torch.shape or keras.ndim != 4 or not keras.size:
        text = f"Keras made images {keras.shape}, PyTorch {torch.shape}: no picture of them."
        return [Text(text)]
    count = FEW_IMAGES if max(keras.shape[1:3]) >= MAX_SIDE else MAX_SAMPLE_IMAGES
    apart = absolute_difference(keras, torch)
    worst = float(apart.max())
    # The text counts all recorded images.
    shown = on_one_scale([keras[:count], torch[:count]])
    differing = int((apart.reshape(len(apart), -1).max(axis=1) > 0).sum())
    text = (
        f"all {len(keras)} recorded images are equal bit for bit"
        if not worst
        else f"{differing} of the {len(keras)} recorded images differ, by at most {figure(worst)}"
    )
    difference = apart[:count] / (float(apart[:count].max()) or 1.0)
    rows = [
        Strip("Keras", tuple(map(data_url, shown[0])), "First augmented images of Keras"),
        Strip("PyTorch", tuple(map(data_url, shown[1])), "First augmented images of PyTorch"),
        Strip(
            f"difference × {figure(1 / float(apart[:count].max()))}"
            if apart[:count].any()
            else "difference",
            tuple(map(data_url, difference)),
            f"Their difference: {text}",
        ),
    ]
    return [
        Strips(
            caption="Images of the first step of the training as each half has augmented them, "
            f"and their difference: {text}.",
            rows=tuple(rows),
        )
    ]


# --- Predictions of both models for the validation samples: confusion, and disagreements ----------


MAX_CLASSES = 20  # rows of a confusion matrix
MAX_IMAGES = 16
KEY = "predictions/val"


def prediction_blocks(found: FoundRun) -> list[Block]:
    """Returns the confusion of both models, and the images on which they disagree."""
    traces = {"keras": found.keras, "torch": found.torch}
    given = {half: t[KEY] for half, t in traces.items() if t is not None and KEY in t}
    if not given:
        return []
    blocks: list[Block] = []
    data = _data(found)
    said = {half: probabilities.argmax(1) for half, probabilities in given.items()}
    if data is None:
        blocks.append(
            Text(
                "The data of the run can no longer be read here, or have changed: no confusion "
                "and no images."
            )
        )
    else:
        blocks += [_confusion(half, data.y_val, which) for half, which in said.items()]
    if len(given) == 2 and given["keras"].shape == given["torch"].shape:
        blocks += _disagreement(data, given, said)
    return blocks


def _data(found: FoundRun) -> Any:
    """Returns the data of the run, if they are unchanged since the training."""
    from parity.data.load import run_data
    from parity.data.sources import has_mnist

    try:
        spec = RunSpec.from_dict(found.result.spec)
        if spec.data == "mnist" and not has_mnist():
            return None  # a report downloads nothing
        data = run_data(spec)
        known = found.result.data.get("sha256") or {}
        is_same = all(data.sha256[name] == known.get(name) for name in ("x_val", "y_val"))
        return data if is_same else None
    except (ParityError, OSError):
        return None


def _confusion(half: str, truth: np.ndarray, said: np.ndarray) -> Block:
    num_classes = int(max(truth.max(initial=0), said.max(initial=0))) + 1
    right = int((truth == said).sum())
    text = f"{NAMES[half]}: {right:,} of {len(truth):,} validation samples right"
    if len(truth) != len(said):
        return Text(f"{NAMES[half]}: {len(said)} predictions for {len(truth)} samples.")
    if num_classes > MAX_CLASSES:
        return Text(f"{text}; {num_classes} classes are too many for a matrix.")
    counts = np.zeros((num_classes, num_classes), int)
    np.add.at(counts, (truth, said), 1)
    rows = tuple(
        (
            Cell(str(label)),
            *(Cell(str(n) if n else "", share=n / max(1, row.sum())) for n in row.tolist()),
        )
        for label, row in enumerate(counts)
    )
    return Table(
        caption=f"{text}. Rows are labels, columns are predictions.",
        head=("label", *map(str, range(num_classes))),
        rows=rows,
        numeric=frozenset(range(1, num_classes + 1)),
        is_shaded=True,
        is_narrow=num_classes <= 12,
    )


def _disagreement(
    data: Any, given: dict[str, np.ndarray], said: dict[str, np.ndarray]
) -> list[Block]:
    differing = np.flatnonzero(said["keras"] != said["torch"])
    total = len(said["keras"])
    apart = np.abs(given["keras"].astype(np.float64) - given["torch"]).max(initial=0.0)
    text = (
        f"Both models predict the same for all {total:,} validation samples; their probabilities "
        f"differ by at most {apart:.1e}."
        if not differing.size
        else f"The models disagree on {differing.size:,} of {total:,} validation samples."
    )
    if not differing.size or data is None or len(data.x_val) != total:
        return [Text(text)]
    # The most confident disagreements first: near the border of two classes rounding decides.
    sure = np.minimum(*(given[half][differing].max(1) for half in ("keras", "torch")))
    shown = differing[np.argsort(-sure, kind="stable")][:MAX_IMAGES]
    (images,) = on_one_scale([data.x_val[shown]])
    labels = []
    for number in shown:
        lines = [f"label {int(data.y_val[number])}"]
        for half in ("keras", "torch"):
            label = int(said[half][number])
            lines.append(f"{NAMES[half]} {label} ({given[half][number, label]:.2f})")
        labels.append("\n".join(lines))
    strip = Strip("", tuple(map(data_url, images)), "Validation images on which they disagree")
    return [
        Text(text),
        Strips("Images on which they disagree, the most confident first.", (strip,), tuple(labels)),
    ]


# --- The difference of the two runs along the training, compared with rounding alone --------------
#
# In: the items of the level "trajectory"; the running losses of both halves if the traces still
# exist; how the free runs part. Out: a `Picture` for the weights and one for the losses; or, of a
# run with anchors, one for these and one for the free runs.


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
        drift: how the weights of the free runs part, see `parity.ladder.anchored_tolerance`.
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

    text = "they never part" if drift["parted"] is None else f"they part at step {drift['parted']}"
    return Picture(
        name="divergence-free",
        height=2.9,
        paint=paint,
        caption=f"{capital(what)}, which are not judged by it: {text}.",
        description=f"{what} against the optimizer step: {text}.",
        table=Table(
            caption=f"{what} by step",
            head=("step", "difference"),
            rows=tuple((Cell(f"{step:,}"), Cell(figure(v))) for step, v in rows),
            numeric=frozenset({0, 1}),
            noun="steps",
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
    text = f"at most {figure(worst[place])}, after step {items[place].step}"
    text += (
        f"; {len(above)} of {len(items)} are above the limit, the first at step {above[0].step}"
        if above
        else "; never above the limit"
    )
    rows = [
        (
            Cell(f"{item.step:,}"),
            Cell(item.name),
            Cell(figure(item.worst), "fail" if item.status == FAIL else ""),
            Cell(figure(item.allowed)),
        )
        for item in items
    ]
    return Picture(
        name=f"divergence-{name}",
        height=2.9,
        paint=paint,
        caption=f"{capital(what)} after each recorded step: {text}."
        + (f" Allowed: {source}." if source else ""),
        description=f"{what} against the optimizer step, with the limit: {text}.",
        table=Table(
            caption=f"{what} by step",
            head=("step", "item", "worst", "allowed"),
            rows=tuple(rows),
            numeric=frozenset({0, 2, 3}),
            noun="steps",
        ),
    )
