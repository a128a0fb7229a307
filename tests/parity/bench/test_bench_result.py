"""BenchResult: its verdict, its quartiles, and JSON that is strict."""

from dataclasses import replace

from bench_results import result, row
from rows import each_row

from parity.bench.result import FAILED, OK, REFUSED, BenchResult


@each_row(
    ("statuses", "verdict"),
    [
        ([OK], "pass"),
        ([OK, OK], "pass"),
        ([OK, REFUSED], "fail"),
        ([OK, FAILED], "incomplete"),
        ([REFUSED, FAILED], "incomplete"),  # what is missing might have been anything
        ([FAILED, REFUSED, OK], "incomplete"),
    ],
    ids=" ".join,
)
def test_the_verdict_is_that_of_the_worst_row(statuses, verdict):
    rows = [row(str(number), 1.0, status=status) for number, status in enumerate(statuses)]
    found = BenchResult({}, rows, {})
    assert found.verdict == found.to_json()["verdict"] == verdict
    # What is not finished is incomplete whatever its rows say.
    assert replace(found, is_finished=False).verdict == "incomplete"


@each_row(
    ("values", "quartiles"),
    [
        ([7.0], (7, 7, 7)),
        ([1.0, 2.0], (1.25, 1.5, 1.75)),
        ([3.0, 1.0, 2.0], (1.5, 2, 2.5)),
        # Between the 1st and the 2nd of four values lies the quartile, at 3/4 of the way.
        ([40.0, 10.0, 30.0, 20.0], (17.5, 25, 32.5)),
        ([5.0, 4.0, 3.0, 2.0, 1.0], (2, 3, 4)),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else "",
)
def test_quartiles_by_hand(values, quartiles):
    found = row("torch", *values).quartiles()
    assert (found, {*map(type, found)}) == (quartiles, {float})


def test_a_row_without_rounds_has_no_quartiles_instead_of_nan():
    (written,) = result(row("torch", status=FAILED)).to_json()["rows"]
    assert (written["values"], written["q1"], written["median"], written["q3"]) == (
        *([], None, None, None),
    )


def test_the_json_is_no_part_of_the_result():
    found = result(row("torch", 1.0), spec={"rounds": 1}, environment={"cores": 2})
    found.to_json()["spec"]["rounds"] = 2
    found.to_json()["rows"][0]["values"].append(2.0)
    assert (found.spec, found.rows[0].values) == ({"rounds": 1}, (1.0,))
