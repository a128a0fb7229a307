"""results.csv of Ultralytics' YOLO: a row per epoch, the loss in parts.

The loss that it minimises is the sum of its parts (`train/box_loss`, `train/cls_loss`, ...), which
are weighted already. A classifier has `train/loss`, and `metrics/accuracy_top1` of validation.
"""

from __future__ import annotations

from parity.behaviour.readers.reading import Columns, Read, named

_NAMES = {"metrics/accuracy_top1": "val_accuracy", "lr/pg0": "learning_rate"}


def is_yolo(columns: Columns) -> bool:
    """Whether the names are those of YOLO."""
    return any(name.startswith("train/") and name.endswith("loss") for name in columns) and any(
        name.startswith(("metrics/", "lr/pg")) for name in columns
    )


def read_yolo(columns: Columns) -> Read:
    """Returns the losses, each a sum of its parts, and all other columns."""
    sums: dict[str, list[float | None]] = {}
    notes = []
    rest = {
        _NAMES.get(name, name): column
        for name, column in columns.items()
        if name != "time" and not (name.startswith(("train/", "val/")) and name.endswith("loss"))
    }
    for name, prefix in (("loss", "train/"), ("val_loss", "val/")):
        parts = [n for n in columns if n.startswith(prefix) and n.endswith("loss")]
        if not parts:
            continue
        rows = zip(*(columns[part] for part in parts), strict=True)
        sums[name] = [None if None in row else sum(v for v in row if v is not None) for row in rows]
        if len(parts) > 1:
            notes.append(f"{name} is the sum of {named(parts)}")
    return Read({**sums, **rest}, tuple(notes))
