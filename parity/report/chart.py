"""Charts of loss and accuracy over the epochs: the parts that all drawings share.

In: a training history, in which values may be missing or not finite. Out: the curves that can be
drawn, and the position of a value on the y axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from parity.traces.trace import History

CURVES = {
    "loss": ("loss", "val_loss"),
    "accuracy": ("accuracy", "val_accuracy", "eval_accuracy"),
}
LOG_ABOVE = 100  # a loss has a log axis if its maximum is at least this many times its minimum
FLAT = 1e-4  # a smaller relative variation is drawn as constant
# Values beyond these count as infinite or zero; between them, nothing over- or underflows.
LARGEST, SMALLEST = 1e200, 1e-200


@dataclass(frozen=True)
class Chart:
    """One chart: its curves and its axes, as text and picture draw them.

    Attributes:
        name: "loss" or "accuracy".
        curves: key of the history to its values, one per epoch; some may be impossible to draw.
        num_epochs: number of epochs, the same for all charts of the history.
        cuts: epochs, counted from 1, trained with a lower rate than the one before.
        low: value at the lower end of the y axis.
        high: value at its upper end.
        is_log: whether the y axis is logarithmic; zeros are then drawn at its lower end.
    """

    name: str
    curves: History
    num_epochs: int
    cuts: list[int]
    low: float
    high: float
    is_log: bool

    @property
    def title(self) -> str:
        """The name, and properties of the y axis."""
        if not self.is_log:
            return self.name
        values = [value for column in self.curves.values() for value in column]
        has_zeros = any(can_be_drawn(value) and value < self.low for value in values)
        return f"{self.name} (log, 0 at the bottom)" if has_zeros else f"{self.name} (log)"

    @property
    def left_out(self) -> list[int]:
        """Epochs, counted from 1, with a value that cannot be drawn."""
        places = (enumerate(column, start=1) for column in self.curves.values())
        return sorted({epoch for place in places for epoch, v in place if not can_be_drawn(v)})

    def share(self, value: float) -> float:
        """Returns the position of a value on the y axis, from 0 (low) to 1 (high)."""
        if not self.is_log:
            return (value - self.low) / (self.high - self.low)
        low, high = math.log(self.low), math.log(self.high)
        return (math.log(max(value, self.low)) - low) / (high - low)

    def middle(self) -> float:
        """Returns the value in the middle of the y axis."""
        if not self.is_log:
            return self.low / 2 + self.high / 2
        return math.sqrt(self.low) * math.sqrt(self.high)


def charts_of(history: History) -> list[Chart]:
    """Returns the charts for which a history has at least one epoch."""
    keys = ("learning_rate", *(key for keys in CURVES.values() for key in keys))
    columns = {key: [_float(value) for value in history.get(key, ())] for key in keys}
    rates = columns.pop("learning_rate")
    num_epochs = max(len(column) for column in columns.values())
    steps = enumerate(pairwise(rates[:num_epochs]), start=2)
    cuts = [epoch for epoch, (before, after) in steps if after < before]
    charts = []
    for name, keys in CURVES.items():
        if curves := {key: columns[key] for key in keys if columns[key]}:
            charts.append(Chart(name, curves, num_epochs, cuts, *limits(name, curves)))
    return charts


def chart_of_halves(name: str, histories: Mapping[str, History]) -> Chart:
    """Returns one chart for both halves, so that equal values have equal heights.

    Args:
        name: "loss" or "accuracy".
        histories: "keras" and "torch" to a history.

    Returns:
        A chart whose curves are called "keras loss", "torch val_loss", ...; it may have none.
    """
    keys = [key for keys in CURVES.values() for key in keys]
    lengths = [len(history.get(key, ())) for history in histories.values() for key in keys]
    curves = {
        f"{half} {key}": [_float(value) for value in history[key]]
        for half, history in histories.items()
        for key in CURVES[name][:2]  # without the one in eval mode, which few histories have
        if history.get(key)
    }
    return Chart(name, curves, max(lengths, default=0), [], *limits(name, curves))


def can_be_drawn(value: float) -> bool:
    """Whether a value is finite and not almost infinite."""
    return abs(value) <= LARGEST


def role(key: str) -> str:
    """Returns the data of a curve: "train", "val", or "eval" for training data in eval mode."""
    start = key.partition("_")[0]
    return start if start in ("val", "eval") else "train"


def short_number(value: float, digits: int = 4) -> str:
    """Returns a number with this many digits, including trailing zeros."""
    return f"{value:#.{digits}g}".rstrip(".")


def limits(name: str, curves: History) -> tuple[float, float, bool]:
    """Returns lower and upper end of the y axis, and whether it is logarithmic."""
    values = [value for column in curves.values() for value in column if can_be_drawn(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    least = min((value for value in values if value >= SMALLEST), default=high)
    if name == "loss" and low >= 0 and high / LOG_ABOVE > least:
        return least, high, True
    size = max(abs(low), abs(high))
    if high - low <= max(FLAT * size, SMALLEST):
        margin = size / 10 if size >= SMALLEST else 0.1
        low, high = low - margin, high + margin
    return low, high, False


def _float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
