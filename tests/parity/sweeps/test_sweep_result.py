"""The result of a sweep: its verdict, its counts, and JSON that is strict."""

import json
import math
from dataclasses import replace

import pytest
import swept
from schemas import assert_valid

from parity.sweeps.result import result_of
from parity.sweeps.rows import Sweep

MISSING = [
    {"scenario": "leak", "seed": seed, "half": "torch", "reason": "killed"} for seed in (0, 1)
]


def finished(seconds_of_keras=3.0, **others):
    """A sweep of six seeds; the first run of Keras took so many seconds, its others 3."""
    rows = [
        replace(run, wall_s=3.0 if run.half == "keras" else 1.0)
        for run in swept.rows(swept.SEEDS[:6], swept.SEEDS[:6], scenario="leak")
    ]
    return Sweep(rows=[replace(rows[0], wall_s=seconds_of_keras), *rows[1:]], **others)


def test_the_result_counts_runs_and_seconds():
    found = result_of(finished(5.0, num_run=3), mode="seeded")
    told = (found.verdict, found.mode, found.num_runs, found.num_run_now, found.failures)
    assert told == ("pass", "seeded", 12, 3, ())
    assert found.wall_s == {"keras": pytest.approx(20 / 6), "torch": 1.0}


def test_a_sweep_with_a_missing_run_is_incomplete_whatever_the_others_say():
    found = result_of(finished(failures=MISSING[:1]), mode="independent")
    assert (found.verdict, found.equivalence.verdict) == ("incomplete", "pass")


def test_a_sweep_of_which_every_run_is_missing_compares_nothing():
    found = result_of(Sweep(failures=MISSING), mode="seeded")
    assert (found.verdict, found.wall_s, found.to_json()["comparisons"]) == ("incomplete", {}, [])


def test_a_time_that_json_lacks_is_a_string():
    found = result_of(finished(math.nan), mode="seeded").to_json()
    written = json.loads(json.dumps(found, allow_nan=False))
    assert_valid(written)
    assert written["wall_s"]["keras"] == "NaN"
