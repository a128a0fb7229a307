"""Training curves as text: where points stand, what the legend says, and that nothing breaks it."""

import io
import math
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.report.pages.curves import charts_of
from parity.report.text.curves import curve_lines
from parity.report.text.page import print_lines

NAN, INF = math.nan, math.inf
HALVING = [2.0**-epoch for epoch in range(4)]


def text(history, **options):
    """What is printed into a pipe."""
    stream = io.StringIO()
    print_lines(curve_lines(history, **options), stream)
    return stream.getvalue().splitlines()


def plot(lines, height=10):
    """The cells of the first chart of chart-wide lines, lowest row first, and its x axis."""
    start = lines[height + 1].index("└") + 1
    width = len(lines[height + 1]) - start
    rows = [line[start:].ljust(width) for line in lines[1 : height + 1]]
    return rows[::-1], lines[height + 1][start:]


def places(lines, mark, height=10):
    """Column and row (0 is the lowest) of each cell that has a mark."""
    rows, _ = plot(lines, height)
    cells = [(column, row) for row, line in enumerate(rows) for column, _ in enumerate(line)]
    return sorted((column, row) for column, row in cells if rows[row][column] == mark)


def ticks(lines, height=10):
    """The labels of the y axis, from the lowest to the highest."""
    labels = [line.partition("┤")[0] for line in lines[1 : height + 1] if "┤" in line]
    return [float(label) for label in reversed(labels)]


def both(loss, val_loss=None, **others):
    return {"loss": loss, **({} if val_loss is None else {"val_loss": val_loss}), **others}


def lines_of(chart):
    return textwrap.dedent(chart).strip("\n").split("\n")


# The rate rises first, which is no cut.
CUTS = both([1.0] * 18 + [2.0], learning_rate=[0.1] + [1.0] * 5 + [0.5] * 6 + [0.25] * 6 + [1.0])
LARGE, SMALL = {"width": 40}, {"width": 40, "height": 5}
# A history, width and height, and the whole chart.
CHARTS = {
    "a chart reads like this": (
        both([2.0, 1.5, 1.0], [2.0, 2.0, 3.0], learning_rate=[0.1, 0.1, 0.01]), SMALL, """
             loss
        3.00┤                              ····○
            │                      ········
        2.00┤◐················○····
            │         ········●········
        1.00┤                          ········●
            └──────────────────────────────────▼
             1              epoch              3
        ● loss          last 1.000
        ○ val_loss      last 3.000
        ◐ overlap
        ▼ learning rate cut (1)
        """),
    # 35 columns for ten epochs: 34 / 9 columns from one to the next.
    "a rise by one row an epoch": (both([1.0 + epoch for epoch in range(10)]), LARGE, """
             loss
        10.0┤                                ··●
            │                            ··●·
            │                         ·●·
            │                     ··●·
        5.50┤                 ··●·
            │             ··●·
            │          ·●·
            │      ··●·
            │  ··●·
        1.00┤●·
            └───────────────────────────────────
             1             epoch              10
        ● loss          last 10.00
        """),
    "curves that meet show it": (both([1.0, 2.0], [1.0, 3.0]), LARGE, """
             loss
        3.00┤                                 ·○
            │                             ····
            │                         ····
            │                     ····
        2.00┤                 ····             ●
            │              ···          ·······
            │          ····     ········
            │      ····  ·······
            │  ··········
        1.00┤◐···
            └───────────────────────────────────
             1              epoch              2
        ● loss          last 2.000
        ○ val_loss      last 3.000
        ◐ overlap
        """),
    "others do not": (both([1.0, 2.0], [3.0, 4.0]), LARGE, """
             loss
        4.00┤                             ·····○
            │                 ············
            │      ···········
            │○·····
        2.50┤
            │
            │                             ·····●
            │                 ············
            │      ···········
        1.00┤●·····
            └───────────────────────────────────
             1              epoch              2
        ● loss          last 2.000
        ○ val_loss      last 4.000
        """),
    "labels with the digits that tell them apart": (both([2.3026, 2.3020]), LARGE, """
                loss
        2.30260┤●·
               │  ····
               │      ···
               │         ····
        2.30230┤             ···
               │                ···
               │                   ····
               │                       ···
               │                          ····
        2.30200┤                              ·●
               └────────────────────────────────
                1            epoch             2
        ● loss          last 2.302
        """),
    # A cut in an epoch that no chart has is not marked.
    "a curve that ends early keeps its epochs": (
        both([1.0, 2.0, 3.0], [3.0], learning_rate=[0.2] * 3 + [0.1]), SMALL, """
             loss
        3.00┤○                             ····●
            │                      ········
        2.00┤             ····●····
            │     ········
        1.00┤●····
            └───────────────────────────────────
             1              epoch              3
        ● loss          last 3.000
        ○ val_loss      last 3.000
        """),
    # 37 columns for 19 epochs: two columns from one to the next.
    "cuts": (CUTS, {"width": 42}, """
             loss
        2.00┤                                    ●
            │
            │
            │
        1.50┤                                   ·
            │
            │
            │
            │
        1.00┤●·●·●·●·●·●·●·●·●·●·●·●·●·●·●·●·●·●
            └────────────▼───────────▼────────────
             1              epoch               19
        ● loss          last 2.000
        ▼ learning rate cut (2)
        """),
    "a training that was never finite": (both([NAN] * 3, [INF] * 3), LARGE, """
              loss
         1.00┤
             │
             │
             │
        0.500┤
             │
             │
             │
             │
         0.00┤
             └x────────────────x───────────────x
              1             epoch              3
        ● loss          last nan
        ○ val_loss      last inf
        x not finite, left out (3)
        """),
    # 1, 3, 1, 3, ...: each column has as many of both but for the ends.
    "many epochs are averaged by column": (
        both([1.0 + 2 * (epoch % 2) for epoch in range(1000)]), SMALL, """
             loss
        3.00┤
            │
        2.00┤●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●
            │
        1.00┤
            └───────────────────────────────────
             1            epoch             1000
        ● loss          last 3.000
          a point is the mean of up to 30 epochs
        """),
}  # fmt: skip


@pytest.mark.parametrize(("history", "size", "chart"), CHARTS.values(), ids=CHARTS)
def test_a_chart_is_drawn_whole(history, size, chart):
    assert text(history, **size) == [*lines_of(chart), ""]


MISSING = """
             loss
        3.00┤                              ····◐
            │                      ········
        2.00┤             ····○····
            │     ········
        1.00┤◐····
            └─────────────────x─────────────────
             1              epoch              3
        ● loss          last 3.000
        ○ val_loss      last 3.000
        ◐ overlap
        x not finite, left out (1)
        """
ALONE = """
             loss
        3.00┤                                  ●
            │
        2.00┤
            │
        1.00┤●
            └─────────────────x─────────────────
             1              epoch              3
        ● loss          last 3.000
        x not finite, left out (1)
        """


@pytest.mark.parametrize("bad", [NAN, INF, -INF, 1e201, 10**400, None])
def test_what_is_not_finite_is_left_out_and_marked_on_the_axis(bad):
    """No line leads over what is missing."""
    for history, chart in (
        (both([1.0, bad, 3.0], [1.0, 2.0, 3.0]), MISSING),
        (both([1.0, bad, 3.0]), ALONE),
    ):
        assert text(history, width=40, height=5) == [*lines_of(chart), ""]


@pytest.mark.parametrize(("width", "second"), [(80, 41), (100, 51), (121, 61)])
def test_from_80_columns_on_charts_stand_side_by_side(width, second):
    history = both(HALVING, accuracy=HALVING)
    lines = text(history, width=width)
    assert lines[0].split() == ["loss", "accuracy"]
    axis = next(line for line in lines if "└" in line)
    assert axis.count("└") == 2
    assert axis.rindex("└") - axis.index("└") == second
    assert lines[-2].split() == ["●", "loss", "last", "0.1250", "●", "accuracy", "last", "0.1250"]


def test_below_80_columns_they_stand_below_each_other():
    history = both([123.0, 125.0, 124.0], accuracy=HALVING[:3])
    lines = text(history, width=79)
    titles = [index for index, line in enumerate(lines) if line.strip() in ("loss", "accuracy")]
    first, second = (plot(lines[index:]) for index in titles)
    assert len(first[1]) == len(second[1]), "an epoch has the same column in both"
    assert [cell for row in first[0] for cell in row].count("●") == 3


@pytest.mark.parametrize("width", range(40, 121))
def test_no_line_is_wider_than_allowed(width):
    history = both(
        [10.0**-epoch for epoch in range(12)],
        [NAN, 0.0, *[1e-10] * 10],
        accuracy=[0.5] * 12,
        learning_rate=[2.0**-epoch for epoch in range(12)],
    )
    lines = text(history, width=width)
    assert max(len(line) for line in lines) <= width
    assert max(len(line) for line in lines) >= width - 1, "and the width is used"


@pytest.mark.parametrize("value", [0.0, -0.0, 0.1, 1.0, -5.0, 1e10, 1e-10, 1e200, 5e-324])
def test_a_constant_curve_runs_through_the_middle(value):
    lines = text(both([value] * 4), width=40)
    assert {row for _, row in places(lines, "●")} == {5}
    low, middle, high = ticks(lines)
    assert low < middle < high
    assert middle == pytest.approx(value, rel=1e-2, abs=1e-12)


@pytest.mark.parametrize("height", [3, 4, 9, 10])
@pytest.mark.parametrize("scale", [1e10, 1e-10, 1.0, -1.0])
def test_large_and_small_values_have_labels_that_say_how_large(scale, height):
    lines = text(both([scale, 2 * scale, 3 * scale]), width=40, height=height)
    assert ticks(lines, height) == pytest.approx(sorted([scale, 2 * scale, 3 * scale]))
    assert sorted(row for _, row in places(lines, "●", height)) == [0, height // 2, height - 1]


@pytest.mark.parametrize(
    ("losses", "title"),
    [
        ([100.0, 1.0], "loss"),
        ([101.0, 1.0], "loss (log)"),
        ([101.0, 1.0, NAN, INF], "loss (log)"),
        ([101.0, 1.0, -INF], "loss (log)"),
        ([101.0, 1.0, 0.0], "loss (log, 0 at the bottom)"),
        ([101.0, 1.0, -1.0], "loss"),
        ([1.0, 0.0], "loss"),
        ([1e200, 5e-324], "loss"),
        ([1e200, 1e-200], "loss (log)"),
    ],
)
def test_the_axis_is_logarithmic_by_one_rule(losses, title):
    lines = text(both(losses), width=40)
    assert lines[0].strip() == title
    assert len(places(lines, "●")) == sum(abs(loss) <= 1e200 for loss in losses)


@pytest.mark.parametrize(
    "history",
    [
        {},
        {"loss": []},
        {"loss": [], "accuracy": [], "val_loss": []},
        {"learning_rate": [0.1, 0.01]},
        {"mae": [1.0]},
    ],
)
def test_without_an_epoch_of_loss_or_accuracy_there_are_no_lines(history):
    assert curve_lines(history) == []
    assert charts_of(history) == []


COLUMN = st.lists(st.one_of(st.floats(), st.floats(0, 5), st.integers()), max_size=60)
KEYS = ("loss", "val_loss", "accuracy", "val_accuracy", "eval_accuracy", "learning_rate", "other")


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, COLUMN)),
    st.integers(-5, 130),
    st.integers(-5, 20),
)
def test_no_history_breaks_a_chart_or_its_width(history, width, height):
    lines = text(history, width=width, height=height)
    assert all(len(line) <= max(width, 40) for line in lines)
    assert bool(lines) == any(history.get(key) for key in KEYS[:5])
