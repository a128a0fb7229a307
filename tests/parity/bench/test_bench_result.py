"""BenchResult: its verdict, its quartiles, and JSON that is strict."""

import json

import numpy as np
from bench_results import result, row
from rows import each_row

from parity.bench.result import FAILED, OK, REFUSED, SECONDS, BenchResult, Ratio


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
    assert BenchResult({}, rows, {}).verdict == verdict
    assert BenchResult({}, rows, {}).to_json()["verdict"] == verdict


@each_row("status", [OK, REFUSED, FAILED])
def test_what_is_not_finished_is_incomplete_whatever_its_rows_say(status):
    found = BenchResult({}, [row("torch", 1.0, status=status)], {}, is_finished=False)
    assert found.verdict == found.to_json()["verdict"] == "incomplete"


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
    assert found == quartiles
    assert {type(value) for value in found} == {float}


def test_a_row_is_known_by_part_variant_batch_size_and_precision():
    assert row("torch", batch_size=64, precision="bf16").key == ("train", "torch", 64, "bf16")


def test_the_json_is_strict_and_has_these_keys():
    rows = [
        row("keras", 1.0, 2.0, unit=SECONDS),
        row("torch", 0.5, 0.5, unit=SECONDS, environment={"threads": 2}, warmup_s=3.5),
        row("torch-compiled", status=FAILED, reason="killed"),
    ]
    written = json.loads(json.dumps(result(*rows).to_json(), allow_nan=False))
    assert set(written) == {"schema", "verdict", "spec", "environment", "rows"}
    assert written["schema"] == "parity.bench/1"
    assert written["verdict"] == "incomplete"
    keras, torch, failed = written["rows"]
    assert set(keras) == set(torch) == set(failed)
    assert set(keras) == {
        "part",
        "variant",
        "batch_size",
        "precision",
        "status",
        "reason",
        "unit",
        "values",
        "q1",
        "median",
        "q3",
        "baseline",
        "ratio",
        "warmup_s",
        "seconds_to_accuracy",
        "peak_memory_mb",
        "parity",
        "parity_note",
        "environment",
    }
    assert (keras["q1"], keras["median"], keras["q3"]) == (1.25, 1.5, 1.75)
    assert torch["ratio"] == {"median": 3, "low": 2, "high": 4, "confidence": 0.5, "n": 2}
    assert (torch["environment"], torch["warmup_s"]) == ({"threads": 2}, 3.5)


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


def test_ratios_compare_by_value():
    assert Ratio(1.0, 0.5, 2.0, 0.95, 7) == Ratio(1.0, 0.5, 2.0, 0.95, 7)
    assert row("torch", *np.ones(2).tolist()) == row("torch", 1.0, 1.0)
