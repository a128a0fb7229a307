"""The page of a sweep stays small, however many runs it is of."""

from report_folders import sweep_result

from parity.report.html.render import render
from parity.report.page import MAX_ROWS, Cell, Table, as_shown
from parity.report.pages.sweep_page import MAX_DOTS, sweep_page


def test_of_many_seeds_some_are_drawn_and_the_page_says_so():
    html = render(sweep_page(sweep_result(seeds=1500)))
    # Three drawings of the 6,000 runs; besides, each has the marks of its axes.
    assert 3 * MAX_DOTS < html.count("<use") < 3.1 * MAX_DOTS
    assert html.count("Of more than 500 seeds, 500 are drawn, evenly from the lowest") == 3
    assert len(html) < 800_000


def test_of_many_rows_the_first_are_shown_and_the_page_says_so():
    rows = tuple((Cell(f"run {number}"), Cell("pass")) for number in range(5000))
    found = as_shown(Table("runs", ("run", "verdict"), rows, notes=("more",), noun="runs"))
    notes = ("the first 200 of 5,000 runs; the result file has all", "more")
    assert (found.rows, found.notes) == (rows[:MAX_ROWS], notes)
