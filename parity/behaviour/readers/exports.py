"""CSV that tracking servers export: MLflow's long tables, Weights & Biases' wide ones.

MLflow             a row per value: the name of the metric (`key` or `metric`), step, value
Weights & Biases   "Step", and for each run and metric `run - metric`, with `__MIN`, `__MAX`
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from pathlib import Path

from parity.behaviour.readers.reading import Columns, Read, named
from parity.behaviour.readers.rows import by_step
from parity.errors import InputError

_METRIC = ("key", "metric", "metric_name", "name")
_RUN = ("run_id", "run id", "run", "run_uuid", "run name", "run_name")
_BOUND = re.compile(r"__(MIN|MAX)$")


def is_long(names: Sequence[str]) -> bool:
    """Whether a header is that of a table with a row per value."""
    lower = [name.lower() for name in names]
    return "value" in lower and "step" in lower and any(name in lower for name in _METRIC)


def read_long(path: Path, names: Sequence[str], rows: Sequence[Sequence[str]]) -> Read:
    """Reads a table with a row per value.

    Args:
        path: path of the file, for messages.
        names: the header.
        rows: the cells; each row as long as the header.

    Raises:
        InputError: it has several runs, or a value that is no number.
    """
    lower = [name.lower() for name in names]
    metric = next(lower.index(name) for name in _METRIC if name in lower)
    run = next((lower.index(name) for name in _RUN if name in lower), None)
    _check_one_run(path, {row[run] for row in rows} if run is not None else set())
    values: dict[str, dict[int, float]] = {}
    for row in rows:
        try:
            step, value = int(float(row[lower.index("step")])), float(row[lower.index("value")])
        except (ValueError, OverflowError):
            raise InputError(
                f"{path} has {', '.join(row)!r:.60} in a row; expected a number as step and as "
                "value; name another file or repair it"
            ) from None
        values.setdefault(row[metric], {})[step] = value
    return Read(by_step(values))


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
    _check_one_run(path, {name.rpartition(" - ")[0] for name in kept})
    short = {name: name.rpartition(" - ")[2] for name in kept}
    plain = {name: metric.replace("/", "_") for name, metric in short.items()}
    if len(set(plain.values())) < len(plain):  # train/loss beside train_loss
        plain = short
    return Read({plain[name]: column for name, column in kept.items()})


def _check_one_run(path: Path, runs: Set[str]) -> None:
    """Rejects a table with the values of several runs."""
    if len(runs) > 1:
        raise InputError(
            f"{path} has the values of {len(runs)} runs ({named(sorted(runs))}); expected one run; "
            "export one of them alone"
        )
