"""The result of a sweep: its verdict, its counts, and JSON that is strict."""

import json
import math

import pytest
from schemas import assert_valid

from parity.behaviour.rules import Judgement
from parity.sweeps.result import result_of
from parity.sweeps.rows import Row, Sweep


def missing(reason, seed=0):
    return {"scenario": "leak", "seed": seed, "half": "torch", "reason": reason}


def row(half, seed=0, wall_s=1.0, *, scenario="leak", **numbers):
    judgement = Judgement("suspicious", "by_heart", "because", 3, **numbers)
    return Row(scenario, seed, half, judgement, wall_s)


def finished(**others):
    rows = [
        row(half, seed, wall_s, val_accuracy=0.9 + seed / 100)
        for half, wall_s in (("keras", 3.0), ("torch", 1.0))
        for seed in range(6)
    ]
    return Sweep(rows=rows, **others)


def test_the_result_counts_runs_and_seconds():
    sweep = finished(num_run=3)
    sweep.rows[0] = row("keras", 0, 5.0, val_accuracy=0.9)
    found = result_of(sweep, mode="seeded")
    told = (found.verdict, found.mode, found.num_runs, found.num_run_now, found.failures)
    assert told == ("pass", "seeded", 12, 3, ())
    assert found.wall_s == {"keras": pytest.approx(20 / 6), "torch": 1.0}


def test_a_sweep_with_a_missing_run_is_incomplete_whatever_the_others_say():
    found = result_of(finished(failures=[missing("killed")]), mode="independent")
    assert (found.verdict, found.equivalence.verdict) == ("incomplete", "pass")


def test_a_sweep_of_which_every_run_is_missing_compares_nothing():
    found = result_of(Sweep(failures=[missing("killed", 0), missing("killed", 1)]), mode="seeded")
    told = (found.verdict, found.wall_s, found.to_json()["comparisons"])
    assert told == ("incomplete", {}, [])


def test_a_time_that_json_lacks_is_a_string():
    broken = finished()
    broken.rows[0] = row("keras", 0, math.nan, val_accuracy=0.9)
    written = json.loads(json.dumps(result_of(broken, mode="seeded").to_json(), allow_nan=False))
    assert_valid(written)
    assert written["wall_s"]["keras"] == "NaN"
