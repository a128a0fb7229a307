"""A page as the summary of a CI job: short, cut between rows, and plain."""

import dataclasses

import pytest
from bench_results import result as bench_result
from bench_results import row
from result_samples import broken_run, failing_check, named, run, sweep

from parity.report.export.summary import MAX_LINES, _cut, summary_markdown
from parity.report.page import Note
from parity.report.pages.bench_page import bench_page
from parity.report.pages.runs_page import result_page, runs_page
from parity.report.pages.sweep_page import sweep_page
from parity.report.read import FoundRun


def lines(page):
    told = summary_markdown(page)
    assert told.endswith("\n")
    assert not told.endswith("\n\n")
    found = told.splitlines()
    assert len(found) <= MAX_LINES
    return found


def runs(results):
    return runs_page([FoundRun(None, result) for result in results])


def assert_whole_tables(told):
    for before, line, after in zip(["", *told], told, [*told[1:], ""], strict=False):
        if line.startswith("| ---"):
            assert before.startswith("| ")
            assert after.startswith("| ")
        if line.startswith("| ") and not before.startswith("| "):
            assert after.startswith("| ---")


@pytest.mark.parametrize("count", [10, 200])
def test_whatever_is_long_is_cut_between_rows_and_counted(count):
    rows = [row(f"v{number}", *[1.0] * 7, part=f"p{number % 20}") for number in range(count)]
    for page in (
        bench_page(bench_result(*rows, baseline="v0")),
        sweep_page(sweep("fail", verdicts=["different"] * 5, missing=["x"] * count, count=count)),
        runs(run(seed=seed) for seed in range(count)),
    ):
        told = lines(page)
        assert told[-1].startswith("... and ") or count < 200
        assert_whole_tables(told)
        assert len(summary_markdown(page, None)) > len(summary_markdown(page)) or count < 200


@pytest.mark.parametrize("room", range(4, 30))
def test_no_cut_leaves_the_head_of_a_table_without_a_row(room):
    whole = lines(result_page(failing_check()))
    told = _cut(whole, room)
    assert len(told) <= room
    if room < len(whole):
        assert told[:-2] == whole[: len(told) - 2]
        assert told[-2:] == ["", f"... and {len(whole) - len(told) + 2} more lines"]
    assert_whole_tables(told)


def test_many_divergences_notes_and_lines_of_an_error_are_counted():
    check = failing_check()
    many = dataclasses.replace(check, divergences=check.divergences * 50)
    page = dataclasses.replace(result_page(many), notes=(Note("setting", "a"),) * 40)
    told = summary_markdown(page, None)
    assert "- and 30 more divergences" in told
    assert "- **setting** and 30 more" in told
    assert "<br>... and 9988 more lines" in summary_markdown(result_page(broken_run("x\n" * 10**4)))


def test_long_texts_are_cut():
    for result in named("x" * 20_000)[:4]:
        assert len(summary_markdown(result_page(result))) < 100_000
