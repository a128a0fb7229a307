"""Curves in one line: what a bar stands for, one scale for both halves, and 80 columns."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parity.report.pages.curves import chart_of_halves
from parity.report.text.curves import ASCII_BARS, BARS, COLUMNS, sparkline, sparkline_rows

NAN, INF = math.nan, math.inf
FALLING = [8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]


def both(keras, torch=None):
    return {"keras": keras, "torch": keras if torch is None else torch}


def line(values, others=(), width=None):
    """The curve of one half, on the scale of both."""
    chart = chart_of_halves("loss", both({"loss": values}, {"loss": list(others)}))
    width = min(COLUMNS, chart.num_epochs) if width is None else width
    return sparkline(chart.curves["keras loss"], chart, width)


KERAS = {
    "loss": [2.0, 1.0, 0.5, 0.25],
    "val_loss": [2.0, 1.25, 1.0, 1.0],
    "accuracy": [0.125, 0.5, 0.75, 1.0],
    "val_accuracy": [0.125, 0.5, 0.5, 0.5],
}
# Histories of both halves, and all rows.
ROWS = {
    "a run": (both(KERAS, {**KERAS, "val_loss": [2.0, 1.25, 1.0, 1.5]}), [
        "  loss       keras █▄▂▁ val █▅▄▄  █=2.00",
        "             torch █▄▂▁ val █▅▄▆  ▁=0.250",
        "  accuracy   keras ▁▄▆█ val ▁▄▄▄  █=1.00",
        "  4 epochs   torch ▁▄▆█ val ▁▄▄▄  ▁=0.125",
    ]),
    "a loss that falls far": (both({"loss": [100.0, 10.0, 1.0, 0.1]}), [
        "  loss       keras █▆▃▁  █=100",
        "  4 epochs   torch █▆▃▁  ▁=0.100 log",
    ]),
    "a half that ended early": (both({"loss": [4.0, 3.0, 2.0, 1.0]}, {"loss": [4.0, 3.0]}), [
        "  loss       keras █▆▃▁  █=4.00",
        "  4 epochs   torch █▆    ▁=1.00",
    ]),
    "nothing": ({}, []),
    "no column": ({"keras": {}, "torch": {}}, []),
    "one epoch": (both({"loss": [1.0], "val_loss": [2.0]}), []),
    "no curve": (both({"lr": [1, 2]}), []),
}  # fmt: skip


@pytest.mark.parametrize(("histories", "rows"), ROWS.values(), ids=ROWS)
def test_both_halves_read_like_this(histories, rows):
    assert sparkline_rows(histories) == rows


def test_a_bar_is_one_of_eight_equal_parts_of_the_scale():
    assert line(FALLING) == BARS[::-1]
    assert line([1.0, 1.0, 4.4, 4.6, 8.0]) == "▁▁▄▅█"


def test_more_epochs_than_columns_share_a_bar_that_is_their_mean():
    # Of a hundred epochs five share a bar: one of 1.0 among four zeros has a mean of 0.2.
    values = [1.0, 0.0, 0.0, 0.0, 0.0] * 19 + [1.0] * 5
    assert line(values) == "▂" * 19 + "█"
    assert sparkline_rows(both({"accuracy": values}))[-1].startswith("  100 epochs torch")


@pytest.mark.parametrize("value", [NAN, INF, -INF, 1e300])
def test_what_is_not_finite_is_an_x_and_scales_nothing(value):
    assert line([2.0, 1.0, value, 2.0]) == "█▁x█"
    assert line([value] * 4) == "xxxx"
    assert line([1.0, value] * 20 + [1.0] * 40).count("x") == 10  # also among others in a bar


def test_where_bars_cannot_be_written_they_are_digits_that_count_them():
    assert line(FALLING).translate(ASCII_BARS) == "87654321"


NUMBERS = st.floats() | st.sampled_from([0.0, 1e-300, 5e-324, 1e199, 1.7e308])
COLUMN = st.lists(NUMBERS, max_size=60)


@given(
    st.fixed_dictionaries(
        {half: st.dictionaries(st.sampled_from(["loss", "val_loss", "accuracy"]), COLUMN)
         for half in ("keras", "torch")}
    )
)  # fmt: skip
def test_whatever_the_numbers_there_are_at_most_four_rows_of_80_columns(histories):
    rows = sparkline_rows(histories)
    assert len(rows) <= 4
    for row in rows:
        assert len(row) <= 80
        assert row.isprintable()


@pytest.mark.parametrize("number", [999, 1000, 10**6])
def test_many_epochs_move_no_column(number):
    *_, row = sparkline_rows({"keras": {"loss": [1.0] * 2}, "torch": {"loss": [1.0] * number}})
    assert row.index("torch") == 13
