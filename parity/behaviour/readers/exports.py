"""The CSV that Weights & Biases exports: "Step", and for each run and metric `run - metric`.

Beside each metric stand `__MIN` and `__MAX`.
"""

from __future__ import annotations

import re
from pathlib import Path

from parity.behaviour.readers.reading import Columns, Read, named
from parity.errors import InputError

_BOUND = re.compile(r"__(MIN|MAX)$")


def is_wandb(columns: Columns) -> bool:
    """Whether the names are `run - metric` beside "Step"."""
    names = [name for name in columns if name not in ("Step", "epoch")]
    return "Step" in columns and bool(names) and all(" - " in name for name in names)


def read_wandb(path: Path, columns: Columns) -> Read:
    """Returns the columns of one run, without the bounds of each value.

    Raises:
        InputError: it has several runs.
    """
    kept = {name: c for name, c in columns.items() if " - " in name and not _BOUND.search(name)}
    runs = {name.rpartition(" - ")[0] for name in kept}
    if len(runs) > 1:
        raise InputError(
            f"{path} has the values of {len(runs)} runs ({named(sorted(runs))}); expected one run; "
            "export one of them alone"
        )
    short = {name: name.rpartition(" - ")[2] for name in kept}
    plain = {name: metric.replace("/", "_") for name, metric in short.items()}
    if len(set(plain.values())) < len(plain):  # train/loss beside train_loss
        plain = short
    return Read({plain[name]: column for name, column in kept.items()})
