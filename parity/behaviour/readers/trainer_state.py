"""trainer_state.json of Hugging Face's Trainer, or its `state.log_history` alone.

In: the logs. Out: a row for each evaluation, or for each epoch without one. "eval_" means
validation there. The training loss is logged every few steps: its mean since the evaluation before.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from parity.behaviour.readers.reading import Read, named
from parity.behaviour.readers.rows import Row, by_group
from parity.errors import InputError

_SUMMARY = "train_runtime"  # the last log sums up the training: its "train_loss" is of all epochs


def trainer_logs(content: Any) -> list[dict[str, Any]] | None:
    """Returns the logs, if the content of a JSON file has them."""
    logs = content.get("log_history") if isinstance(content, dict) else content
    if not isinstance(logs, list) or not logs or not all(isinstance(log, dict) for log in logs):
        return None
    has_steps = all("step" in log for log in logs)
    is_trainer = isinstance(content, dict) or any(
        name.startswith("eval_") or name == "grad_norm" for log in logs for name in log
    )
    return logs if has_steps and is_trainer else None


def read_trainer_logs(path: Path, logs: list[dict[str, Any]]) -> Read:
    """Puts the logs together.

    Args:
        path: path of the file, for messages.
        logs: each with "step", and most with "epoch", a fraction.

    Raises:
        InputError: a step or an epoch is no finite number, or a number is too large for a float.
    """
    left_out: dict[str, None] = {}
    training: list[tuple[float, float, Row]] = []
    evaluations: dict[float, Row] = {}
    repeated = 0
    for log in logs:
        row = _numbers(path, log)
        left_out.update(dict.fromkeys(name for name in log if name not in row))
        step, epoch = row.pop("step", math.nan), row.pop("epoch", 0.0)
        if not (math.isfinite(step) and math.isfinite(epoch)):
            raise InputError(
                f"{path} has a log of step {log['step']!r:.60} and epoch {log.get('epoch')!r:.60}; "
                "expected finite numbers; name another file or repair it"
            )
        if _SUMMARY in row:
            continue
        found = {f"val_{n.removeprefix('eval_')}": v for n, v in row.items() if "eval_" in n[:5]}
        if found and step in evaluations:
            repeated += 1  # evaluate() after training, or on the test set
        elif found:
            evaluations[step] = found
        elif row:
            training.append((step, epoch, row))
    notes = [f"{repeated} more evaluations of the same step are left out"] if repeated else []
    notes += [f"no numbers, left out: {named(left_out)}"] if left_out else []
    if evaluations:
        ends = sorted(evaluations)
        rows = [(row, next((end for end in ends if end >= at), None)) for at, _, row in training]
        late = sum(end is None for _, end in rows)
        if late:
            notes.append(f"{late} logs after the last evaluation are left out")
        kept = [(row, end) for row, end in rows if end is not None]
        kept += [(row, step) for step, row in evaluations.items()]
        unit = "evaluation"
        notes.append('a row is an evaluation of Trainer; "eval_" is validation')
    else:
        kept = [(row, math.ceil(epoch - 1e-6)) for _, epoch, row in training]
        unit = "epoch"
    read = by_group([row for row, _ in kept], [group for _, group in kept], unit)
    return Read(read.columns, (*notes, *read.notes))


def _numbers(path: Path, log: dict[str, Any]) -> dict[str, float]:
    """Returns the numbers of a log."""
    try:
        return {
            name: float(value)
            for name, value in log.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    except OverflowError:
        raise InputError(
            f"{path} has a number of thousands of digits; expected numbers that a float can hold; "
            "name another file or repair it"
        ) from None
