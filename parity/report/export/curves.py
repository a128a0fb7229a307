"""Curves and times for other programs: pictures, event files of TensorBoard, CSV."""

from __future__ import annotations

import csv
import io
import math
import re
import textwrap
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parity.bench.result import BenchResult
from parity.errors import InputError, unwritten
from parity.files.atomic import write_bytes
from parity.programs.halves import HALVES
from parity.report.page import plain
from parity.report.pages.curves import Chart, can_be_drawn, charts_of, role, short_number
from parity.report.sentences import items_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from parity.ladder.items import Item
    from parity.ladder.result import Result
    from parity.traces.trace import History


# --- Training curves as a picture: what `curves` draws as text, as SVG, PNG or PDF ----------------
#
# matplotlib is imported when a picture is drawn, and only its object-oriented part: no display, no
# global state. The same history gives the same bytes, whatever style the user's matplotlib has.


SUFFIXES = (".svg", ".png", ".pdf")

# Narrow and tall: at a width of 400 pixels, as in a README, letters are still ten pixels high.
WIDTH, CHART_HEIGHT = 5.6, 2.9  # inches
DPI = 200
MARGIN = 0.05  # of a y axis, at both ends
MAX_TITLE_LINES = 3
MAX_POINTS = 30  # up to this number of epochs, each has a point on its curve
MANY_EPOCHS = 200  # with more epochs, curves are thin

# Okabe and Ito's colours, which colour-blind people can distinguish; dashes work without colours.
LINES = {
    "train": ("#0072B2", "-"),
    "val": ("#D55E00", "--"),
    "eval": ("#009E73", "-."),
}
# Without the time, so that the bytes depend only on the history.
METADATA: dict[str, dict[str, Any]] = {
    ".svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    ".png": {},
    ".pdf": {"CreationDate": None},
}
GREY = "#767676"
STYLE = {
    "svg.hashsalt": "keras-torch-parity",
    "svg.fonttype": "none",  # text stays text: it can be searched, read out and shaped
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.fontsize": 9,
}


def save_curves(history: History, path: Path, *, title: str = "") -> None:
    """Draws loss and accuracy of a training below each other, to a file that is always complete.

    Args:
        history: Keras's keys, and eval_accuracy if it was measured.
        path: a file in an existing folder; its suffix (.svg, .png or .pdf) decides the format.
        title: shown unchanged above the charts, in up to three lines.

    Raises:
        InputError: the file cannot be written, the history has no epoch, or matplotlib is missing.
    """
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InputError(f"{path}: expected a name that ends in .svg, .png or .pdf; choose one")
    charts = charts_of(history)
    if not charts:
        raise InputError(
            f"{path}: the history has {', '.join(history) or 'no keys'}; expected at least one "
            "epoch of loss or accuracy; train first"
        )
    picture = _picture(charts, kind, title)
    try:
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise InputError(f"{path}: expected a file in an existing folder; choose another")
        write_bytes(path, picture)
    except OSError as error:
        raise unwritten(f"{path}:", error, "choose another place") from error


def _picture(charts: list[Chart], kind: str, title: str) -> bytes:
    try:
        from matplotlib import style
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            f"matplotlib is needed to draw curves ({error}); install it: pip install matplotlib"
        ) from error
    with warnings.catch_warnings(), style.context(["default", STYLE]):
        # The font draws a box for a missing letter; the viewer of an SVG has more fonts.
        for message in ("Glyph .* missing from", "Matplotlib currently does not support"):
            warnings.filterwarnings("ignore", message, UserWarning)
        figure = Figure(figsize=(WIDTH, CHART_HEIGHT * len(charts)), layout="constrained")
        _set_title(figure, plain(title))
        all_axes = figure.subplots(len(charts), squeeze=False)[:, 0]
        for axes, chart in zip(all_axes, charts, strict=True):
            _draw(axes, chart)
        all_axes[-1].set_xlabel("epoch")
        file = io.BytesIO()
        figure.savefig(file, format=kind[1:], dpi=DPI, metadata=METADATA[kind])
    if kind != ".svg":
        return file.getvalue()
    # The document type names a file on another machine, which no viewer needs.
    return re.sub(rb"<!DOCTYPE[^>]*>\s*", b"", file.getvalue(), count=1)


def _set_title(figure: Figure, title: str) -> None:
    """Writes a title in lines that are as long as the figure is wide."""
    if not title:
        return
    text = figure.suptitle("", fontsize=11, parse_math=False)
    for length in (70, 60, 50, 40, 30, 20):  # letters differ in width
        text.set_text(_wrapped(title, length))
        if text.get_window_extent().width <= figure.bbox.width * 0.96:
            return


def _wrapped(title: str, length: int) -> str:
    start = title[: (MAX_TITLE_LINES + 1) * length]  # no need to wrap what will be cut
    return "\n".join(textwrap.wrap(start, length, max_lines=MAX_TITLE_LINES, placeholder=" ..."))


def _draw(axes: Axes, chart: Chart) -> None:
    for key, values in chart.curves.items():
        _draw_curve(axes, chart, key, values)
    across = axes.get_xaxis_transform()  # epochs to the right, the whole axis upwards
    if chart.cuts:
        label = f"learning rate cut ({len(chart.cuts)})"
        axes.vlines(
            chart.cuts, 0, 1, transform=across, colors=GREY, lw=0.8, ls=":", zorder=0, label=label
        )
    if left_out := chart.left_out:
        label = f"not finite, left out ({len(left_out)})"
        bottom = [0] * len(left_out)
        axes.plot(left_out, bottom, "kx", ms=5, transform=across, clip_on=False, label=label)
    _set_axes(axes, chart)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)


def _draw_curve(axes: Axes, chart: Chart, key: str, values: list[float]) -> None:
    color, dashes = LINES[role(key)]
    epochs = range(1, len(values) + 1)
    is_drawn = [False, *map(can_be_drawn, values), False]
    heights = [max(value, chart.low) if can_be_drawn(value) else math.nan for value in values]
    # A line through one epoch is not seen: it needs its point.
    points = [
        index
        for index in range(len(values))
        if len(values) <= MAX_POINTS or not (is_drawn[index] or is_drawn[index + 2])
    ]
    width = 1.6 if len(values) <= MANY_EPOCHS else 0.9
    label = f"{key}, last {short_number(values[-1])}"
    axes.plot(
        epochs, heights, dashes, lw=width, color=color, marker="o", markevery=points, label=label
    )
    if key == "val_loss" and any(is_drawn):
        least = min(filter(can_be_drawn, values))
        epoch = values.index(least) + 1
        axes.plot(
            [epoch], [max(least, chart.low)], "o", ms=9, mfc="none", mec=color, mew=1.4,
            label=f"lowest {key} {short_number(least)} (epoch {epoch})",
        )  # fmt: skip


def _set_axes(axes: Axes, chart: Chart) -> None:
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullLocator,
        ScalarFormatter,
    )

    axes.set_ylabel(chart.title)
    low, high = chart.low, chart.high
    if chart.is_log:
        axes.set_yscale("log")
        margin = high**MARGIN / low**MARGIN
        axes.set_ylim(low / margin, high * margin)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low < 1e4 else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        margin = (high - low) * MARGIN
        axes.set_ylim(low - margin, high + margin)
    # matplotlib would write powers as formulas, and what labels share above the axis.
    is_plain = not chart.is_log and 1e-3 <= max(abs(low), abs(high)) < 1e6
    axes.yaxis.set_major_formatter(
        ScalarFormatter(useOffset=False) if is_plain else FuncFormatter(lambda v, _: f"{v:g}")
    )
    margin = (chart.num_epochs - 1) * 0.02 or 0.5
    axes.set_xlim(1 - margin, chart.num_epochs + margin)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    axes.grid(alpha=0.25)


# --- The result of a benchmark as a spreadsheet, CSV ----------------------------------------------
#
# In: a `BenchResult`, maybe from someone else's file. Out: text in which everything from that file
# is plain text: no line break ends a row, and no cell is a formula.


# A cell that starts with one of these is a formula; the wide ones count in some languages.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")

_CSV = (
    *("part", "variant", "batch_size", "precision", "status", "unit", "rounds", "q1"),
    *("median", "q3", "baseline", "ratio", "ratio_low", "ratio_high", "confidence"),
    *("warmup_s", "seconds_to_accuracy", "peak_memory_mb", "parity", "parity_note", "reason"),
)


def to_csv(result: BenchResult) -> str:
    """Returns the result as CSV: a line per row; missing values are empty cells.

    The names of the columns contain the units; the column `unit` has the unit of q1, median and q3.
    A text that a spreadsheet would compute gets a leading apostrophe, and control characters become
    visible text.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(_CSV)
    for row in result.rows:
        low, middle, high = row.quartiles() if row.values else (None, None, None)
        ratio = row.ratio
        numbers: dict[str, float | None] = {
            "batch_size": row.batch_size,
            "rounds": len(row.values),
            "q1": low,
            "median": middle,
            "q3": high,
            "ratio": ratio.median if ratio else None,
            "ratio_low": ratio.low if ratio else None,
            "ratio_high": ratio.high if ratio else None,
            "confidence": ratio.confidence if ratio else None,
            "warmup_s": row.warmup_s,
            "seconds_to_accuracy": row.seconds_to_accuracy,
            "peak_memory_mb": row.peak_memory_mb,
        }
        writer.writerow(
            _csv_number(numbers[name]) if name in numbers else _csv_text(getattr(row, name))
            for name in _CSV
        )
    return stream.getvalue()


def _csv_number(value: float | None) -> str:
    return "" if value is None else str(value) if isinstance(value, int) else f"{value:.6g}"


def _csv_text(value: str | None) -> str:
    text = plain(" ".join((value or "").split()))
    return f"'{text}" if text.startswith(_FORMULA) else text


# --- The curves of both halves, and their differences, as event files of TensorBoard --------------
#
# In: a result. Out: a folder for each of four runs of TensorBoard, so that related curves are in
# one chart:
#
#     keras, torch   epoch_loss, epoch_val_accuracy, ...: each column of the history, by epoch
#     difference     difference/loss, ...: the absolute difference of each column, by epoch;
#                    trajectory/weights, trajectory/running_loss, ...: the worst difference, by step
#     allowed        trajectory/...: the tolerance
#
# The library `tensorboard` has the messages and the writer of records. Its EventFileWriter is not
# used, since it imports TensorFlow, if installed, to make a folder.


FILE = "events.out.tfevents.0.parity"  # a fixed name: writing again replaces the file

Scalar = tuple[str, int, float]  # (tag, step, value)


def write_events(result: Result, folder: Path) -> list[Path]:
    """Writes the event files of one result; files of an earlier call are replaced.

    Args:
        result: result of a run, or of a check, which has a trajectory and no history.
        folder: folder for TensorBoard (`tensorboard --logdir FOLDER`); created if missing.

    Returns:
        The files, one per TensorBoard run with scalars.

    Raises:
        InputError: `tensorboard` is not installed, the result has neither a history nor a
            trajectory, or the folder cannot be written to.
    """
    contents = {name: _content(scalars) for name, scalars in _runs(result).items() if scalars}
    if not contents:
        raise InputError(
            "the result has neither a history nor a trajectory, so there is no curve for "
            "TensorBoard; expected the result of a run with two trained halves"
        )
    paths = []
    try:
        for name, content in contents.items():
            path = folder / name / FILE
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(path, content)
            paths.append(path)
    except OSError as error:
        raise unwritten(f"{folder}:", error) from error
    return paths


def _runs(result: Result) -> dict[str, list[Scalar]]:
    keras, torch = (result.history.get(half, {}) for half in HALVES)
    trajectory = _trajectory(result)
    return {
        "keras": _epochs(keras),
        "torch": _epochs(torch),
        "difference": [
            *_differences(keras, torch),
            *((tag, step, item.worst) for (tag, step), item in trajectory.items()),
        ],
        "allowed": [(tag, step, item.allowed) for (tag, step), item in trajectory.items()],
    }


def _epochs(history: History) -> list[Scalar]:
    """Returns the columns of a history, with the tags of Keras's callback."""
    return [
        (f"epoch_{key}", epoch, value)
        for key, values in history.items()
        for epoch, value in enumerate(values)
    ]


def _differences(keras: History, torch: History) -> list[Scalar]:
    return [
        (f"difference/{key}", epoch, abs(a - b))
        for key in keras
        # One half may have stopped early.
        for epoch, (a, b) in enumerate(zip(keras[key], torch.get(key, ()), strict=False))
    ]


def _trajectory(result: Result) -> dict[tuple[str, int], Item]:
    """Returns the items by tag and step; for all weights, the one closest to its limit."""
    found: dict[tuple[str, int], Item] = {}
    levels = [level for level in result.levels if level.id == "trajectory"]
    for item in (item for level in levels for item in items_of(level)):
        name = "weights" if "." in item.name else item.name.replace(" ", "_")
        if item.step is not None:
            key = f"trajectory/{name}", item.step
            if key not in found or item.ratio > found[key].ratio:
                found[key] = item
    return dict(sorted(found.items()))


def _content(scalars: Sequence[Scalar]) -> bytes:
    """Returns an event file: its version first, then an event per scalar."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError as error:
        raise InputError(
            f"event files cannot be written without the package tensorboard ({error}); install it "
            "with: pip install 'keras-torch-parity[tensorboard]'"
        ) from None
    now = time.time()
    file = io.BytesIO()
    writer = RecordWriter(file)
    writer.write(Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    for tag, step, value in scalars:
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
        writer.write(Event(wall_time=now, step=step, summary=summary).SerializeToString())
    return file.getvalue()
