"""Training and validation curves of both halves, one over the other, and their difference below."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, zip_longest
from typing import TYPE_CHECKING, Any

from parity.report.page import Cell, Picture, Table
from parity.report.pages import svg
from parity.report.pages.svg import figure
from parity.report.sentences import capital
from parity.traces.trace import History

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# --- Charts of loss and accuracy over the epochs: the parts that all drawings share ---------------
#
# In: a training history, in which values may be missing or not finite. Out: the curves that can be
# drawn, and the position of a value on the y axis.


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


# --------------------------------------------------------------------------------------------------
#
# Training and validation curves of both halves, one over the other, and their difference below.
#
# In: the histories of both halves. Out: one `Picture` for the loss, one for the accuracy, and one
# for the learning rate if it changes.


GROUPS = {
    "loss": ("loss", "val_loss"),
    "accuracy": ("accuracy", "val_accuracy"),
    "learning rate": ("learning_rate",),
}
DASHES = {"val_loss": (0, (4, 2)), "val_accuracy": (0, (4, 2))}

Histories = Mapping[str, Mapping[str, Sequence[float]]]  # half -> key -> a value an epoch


def curve_pictures(
    histories: Histories, *, names: Mapping[str, str] = svg.NAMES, prefix: str = "curves"
) -> list[Picture]:
    """Returns the drawings of all curves with at least one epoch.

    Args:
        histories: histories of both halves.
        names: names of the halves in the legend.
        prefix: prefix of the names of the drawings.
    """
    pictures = []
    for name, keys in GROUPS.items():
        found = [key for key in keys if any(history.get(key) for history in histories.values())]
        is_constant = name == "learning rate" and all(
            len(set(history.get("learning_rate", ()))) < 2 for history in histories.values()
        )
        if found and not is_constant:
            pictures.append(_picture(name, found, histories, names, prefix))
    return pictures


def _picture(
    name: str, keys: Sequence[str], histories: Histories, names: Mapping[str, str], prefix: str
) -> Picture:
    apart = {key: _apart(histories, key) for key in keys}
    num_epochs = max(len(history.get(key, ())) for history in histories.values() for key in keys)

    def paint(figure: Figure) -> None:
        above, below = figure.subplots(
            2,
            sharex=True,
            gridspec_kw={
                "height_ratios": (2.2, 1),
                "hspace": 0.12,
                "left": 0.135,
                "right": 0.98,
                "top": 0.86,
                "bottom": 0.12,
            },
        )
        _draw_values(above, name, keys, histories, names)
        _draw_apart(below, apart, num_epochs)

    last = "; ".join(
        f"{key} ends at {short_number(histories[half][key][-1])} in {names[half]}"
        for key in keys
        for half in histories
        if histories[half].get(key)
    )
    worst = max((value for column in apart.values() for value in column), default=0.0)
    text = "they never differ" if not worst else f"they differ by at most {figure(worst)}"
    if len(histories) < 2:
        text = f"only {names[next(iter(histories))]} has them"
    return Picture(
        name=f"{prefix}-{name.replace(' ', '-')}",
        height=3.6,
        paint=paint,
        caption=f"{capital(name)} of each epoch: {text}."
        + (" Below: the difference, on a log scale." if worst else ""),
        description=f"Curves of {' and '.join(keys)} in both halves; {text}; {last}.",
        table=_table(name, keys, histories, names),
    )


def _apart(histories: Histories, key: str) -> list[float]:
    """Returns |Keras - torch| of each epoch that both have; NaN if one value is not finite."""
    columns = [history.get(key, ()) for history in histories.values()]
    if len(columns) < 2:
        return []
    return [
        0.0 if a == b else abs(a - b) if can_be_drawn(a) and can_be_drawn(b) else math.nan
        for a, b in zip(*columns, strict=False)
    ]


def _draw_values(
    axes: Axes, name: str, keys: Sequence[str], histories: Histories, names: Mapping[str, str]
) -> None:
    columns = {
        f"{half} {key}": list(history.get(key, ()))
        for half, history in histories.items()
        for key in keys
    }
    low, _, is_log = limits(name, columns)
    for half, history in histories.items():
        for key in keys:
            column = history.get(key, ())
            if not column:
                continue
            # Keras wide and pale below, PyTorch thin above it: equal curves show as one of each.
            is_below = half == "keras"
            axes.plot(
                range(1, len(column) + 1),
                [_height(value, low if is_log else value) for value in column],
                color=svg.HALF_COLORS[half],
                lw=4.5 if is_below else 1.4,
                alpha=0.4 if is_below else 1.0,
                ls=DASHES.get(key, "-"),
                marker="o" if len(column) == 1 else None,
                solid_capstyle="round",
                drawstyle="steps-mid" if key == "learning_rate" else "default",
                label=f"{names[half]} {key}",
            )
    axes.set_ylabel(f"{name} (log)" if is_log else name)
    if is_log or name == "learning rate":
        axes.set_yscale("log")
        svg.log_labels(axes)
    svg.legend(axes)


def _height(value: float, low: float) -> float:
    """Returns the position of a value on an axis that starts at `low`; NaN leaves a gap."""
    return max(value, low) if can_be_drawn(value) else math.nan


def _draw_apart(axes: Axes, apart: Mapping[str, Sequence[float]], num_epochs: int) -> None:
    positive = [value for column in apart.values() for value in column if value > 0]
    axes.set_xlabel("epoch")
    axes.set_ylabel("difference")
    _whole_epochs(axes, num_epochs)
    if not positive:
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.text(
            0.5, 0.5, "no difference in any epoch" if any(apart.values()) else "only one half",
            transform=axes.transAxes, ha="center", va="center", color=svg.INK,
        )  # fmt: skip
        return
    axes.set_yscale("log")
    floor = min(positive) / 3
    for key, column in apart.items():
        epochs = range(1, len(column) + 1)
        axes.plot(
            epochs, [value if value > 0 else math.nan for value in column], color=svg.INK, lw=1.1,
            ls=DASHES.get(key, "-"), marker="o", ms=2.5, label=key,
        )  # fmt: skip
        zeros = [epoch for epoch, value in zip(epochs, column, strict=True) if value == 0]
        axes.plot(zeros, [floor] * len(zeros), "v", ms=3.5, mfc="none", mec=svg.BAND)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, floor / 1.5), high)
    svg.log_labels(axes)


def _whole_epochs(axes: Axes, count: int) -> None:
    from matplotlib.ticker import MaxNLocator

    margin = (count - 1) * 0.02 or 0.5
    axes.set_xlim(1 - margin, count + margin)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def _table(name: str, keys: Sequence[str], histories: Histories, names: Mapping[str, str]) -> Table:
    columns = [(half, key) for key in keys for half in histories]
    rows = zip_longest(*(histories[half].get(key, ()) for half, key in columns))
    cells = [
        (Cell(str(epoch)), *(Cell("" if v is None else short_number(v, 6)) for v in row))
        for epoch, row in enumerate(rows, start=1)
    ]
    return Table(
        caption=f"{name} by epoch",
        head=("epoch", *(f"{names[half]} {key}" for half, key in columns)),
        rows=tuple(cells),
        numeric=frozenset(range(len(columns) + 1)),
        noun="epochs",
    )


def history_pictures(history: Mapping[str, Sequence[float]]) -> list[Picture]:
    """Returns the curves of one training, as `parity diagnose --plot` draws them."""
    return [
        Picture(
            name=f"history-{chart.name}",
            height=2.9,
            paint=partial(_draw_alone, chart=chart),
            caption=f"{capital(chart.name)} of each epoch.",
            description=f"Curves of {' and '.join(chart.curves)}: "
            + "; ".join(
                f"{key} from {short_number(values[0])} to {short_number(values[-1])}"
                for key, values in chart.curves.items()
            )
            + ".",
        )
        for chart in charts_of({key: list(column) for key, column in history.items()})
    ]


def _draw_alone(figure: Figure, chart: Chart) -> None:
    axes = figure.subplots(gridspec_kw={"left": 0.135, "right": 0.98, "top": 0.84, "bottom": 0.16})
    colors = {"train": svg.KERAS, "val": svg.TORCH, "eval": svg.GOOD}
    for key, values in chart.curves.items():
        heights = [_height(value, chart.low) for value in values]
        axes.plot(
            range(1, len(values) + 1),
            heights,
            color=colors[role(key)],
            ls=DASHES.get(key, "-."[: 2 if role(key) == "eval" else 1]),
            marker="o" if len(values) == 1 else None,
            label=key,
        )
    if chart.is_log:
        axes.set_yscale("log")
        svg.log_labels(axes)
    for cut in chart.cuts:
        axes.axvline(cut, color=svg.BAND, lw=0.8, ls=":")
    axes.set_xlabel("epoch")
    axes.set_ylabel(chart.title)
    _whole_epochs(axes, chart.num_epochs)
    svg.legend(axes, 3)
