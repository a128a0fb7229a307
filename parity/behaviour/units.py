"""The unit of accuracies: fractions, or percent as in many logs.

No accuracy is above 1, so a column that goes beyond it is in percent. One file has one unit. Where
that cannot be, no accuracy is used, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

ACCURACIES = ("accuracy", "val_accuracy", "eval_accuracy")
ROUNDING = 1e-6  # 0.9 is 0.89999998 in float32: exactly at a limit is not beyond it
# A column within 1 beside one that reaches 20 is 20 times smaller, or a fraction beside percent.
MIXED = 20.0


def in_fractions(
    history: Mapping[str, Sequence[float]],
) -> tuple[dict[str, list[float]], tuple[str, ...]]:
    """Returns all columns, accuracies as fractions, and what was done to them as sentences.

    Args:
        history: Keras's keys, with a number per epoch.
    """
    columns = {key: list(column) for key, column in history.items()}
    highest = {}
    notes = []
    for key in ACCURACIES:
        values = [value for value in columns.get(key, []) if math.isfinite(value)]
        if values and not 0 <= min(values) <= max(values) <= 100 + ROUNDING:
            wrong = min(values) if min(values) < 0 else max(values)
            notes.append(f"{key} is not used: no accuracy is {wrong:.3g}")
            del columns[key]
        elif values:
            highest[key] = max(values)
    percent = [key for key, value in highest.items() if value > 1 + ROUNDING]
    if not percent:
        return columns, tuple(notes)
    low, high = min(highest, key=highest.__getitem__), max(highest.values())
    if highest[low] <= 1 and high > MIXED:
        notes.append(
            f"no accuracy is used: {low} is at most {highest[low]:.3g} and another one reaches "
            f"{high:.3g}, so that one may be a fraction and the other in percent"
        )
        return {key: column for key, column in columns.items() if key not in highest}, tuple(notes)
    notes.append(f"accuracies are in percent: {', '.join(highest)}")
    for key in highest:
        columns[key] = [value / 100 for value in columns[key]]
    return columns, tuple(notes)
