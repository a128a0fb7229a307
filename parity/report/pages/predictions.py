"""Predictions of both models for the validation samples: confusion, and disagreements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from parity.errors import ParityError
from parity.programs.run_spec import RunSpec
from parity.report.page import Block, Cell, Strip, Strips, Table, Text
from parity.report.pages.images import data_url, on_one_scale
from parity.report.pages.svg import NAMES

if TYPE_CHECKING:
    from parity.report.read import FoundRun

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
    from parity.data.download import has_mnist
    from parity.data.load import run_data

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
    told = f"{NAMES[half]}: {right:,} of {len(truth):,} validation samples right"
    if len(truth) != len(said):
        return Text(f"{NAMES[half]}: {len(said)} predictions for {len(truth)} samples.")
    if num_classes > MAX_CLASSES:
        return Text(f"{told}; {num_classes} classes are too many for a matrix.")
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
        caption=f"{told}. Rows are labels, columns are predictions.",
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
    told = (
        f"Both models predict the same for all {total:,} validation samples; their probabilities "
        f"differ by at most {apart:.1e}."
        if not differing.size
        else f"The models disagree on {differing.size:,} of {total:,} validation samples."
    )
    if not differing.size or data is None or len(data.x_val) != total:
        return [Text(told)]
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
        Text(told),
        Strips("Images on which they disagree, the most confident first.", (strip,), tuple(labels)),
    ]
