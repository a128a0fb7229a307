"""The result of a sweep: its verdict, its counts, and JSON that is strict."""

import json
import math

import pytest
from schemas import assert_valid

from parity.behaviour.judgement import Judgement
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
    assert (found.verdict, found.mode) == ("pass", "seeded")
    assert (found.num_runs, found.num_run_now, found.failures) == (12, 3, ())
    assert found.wall_s == {"keras": pytest.approx(20 / 6), "torch": 1.0}


def test_a_sweep_with_a_missing_run_is_incomplete_whatever_the_others_say():
    found = result_of(finished(failures=[missing("killed")]), mode="independent")
    assert (found.verdict, found.equivalence.verdict) == ("incomplete", "pass")


def test_a_sweep_of_which_every_run_is_missing_compares_nothing():
    found = result_of(Sweep(failures=[missing("killed", 0), missing("killed", 1)]), mode="seeded")
    assert (found.verdict, found.wall_s) == ("incomplete", {})
    assert found.to_json()["comparisons"] == []


def test_the_mode_decides_what_counts_as_a_difference():
    sweep = finished()
    for number, found in enumerate(sweep.rows):
        if found.half == "torch":  # better by half a point on every seed
            moved = found.judgement.val_accuracy + 0.005
            sweep.rows[number] = row("torch", found.seed, val_accuracy=moved)
    assert result_of(sweep, mode="independent").verdict == "pass"
    assert result_of(sweep, mode="seeded").verdict == "fail"


def test_the_margins_decide_what_counts_as_a_difference():
    sweep = finished()
    for number, found in enumerate(sweep.rows):
        if found.half == "torch":
            moved = found.judgement.val_accuracy + 0.009
            sweep.rows[number] = row("torch", found.seed, val_accuracy=moved)
    visible = result_of(sweep, mode="independent")
    strict = result_of(sweep, mode="independent", margins="strict")
    assert (visible.verdict, visible.margins) == ("pass", "visible")
    assert (strict.verdict, strict.margins) == ("fail", "strict")


def test_missing_seeds_are_counted_in_their_scenario():
    found = result_of(finished(failures=[missing("killed", 7)]), mode="independent")
    assert found.equivalence.verdicts[0].num_missing == 1


def test_the_json_is_strict_and_has_these_keys():
    found = result_of(finished(failures=[missing("killed", 7)], num_run=2), mode="independent")
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert set(written) == {
        "schema",
        "verdict",
        "mode",
        "margins",
        "runs",
        "seeds",
        "scenarios",
        "collapses",
        "comparisons",
        "wall_s",
        "failures",
        "rows",
        "environment",
    }
    assert len(written["rows"]) == 12
    assert_valid(written)
    assert written["schema"] == "parity.sweep/2"
    assert (written["verdict"], written["mode"]) == ("incomplete", "independent")
    assert written["runs"] == {"finished": 12, "failed": 1, "now": 2}
    assert written["seeds"] == [{"scenario": "leak", "finished": 6, "missing": 1, "needed": 0}]
    assert written["failures"] == [missing("killed", 7)]
    (scenario,) = written["scenarios"]
    assert set(scenario) == {
        "scenario",
        "expected",
        "num_seeds",
        "num_missing",
        "keras",
        "torch",
        "num_same",
        "num_near",
        "p_different",
        "verdict",
        "agrees",
    }
    (compared,) = written["comparisons"]
    assert set(compared) == {
        "scenario",
        "quantity",
        "against",
        "keras",
        "torch",
        "num_left_out",
        "has_diverged",
        "equivalence",
        "p_different",
        "verdict",
    }
    assert set(compared["equivalence"]) == {
        "verdict",
        "difference",
        "low",
        "high",
        "p",
        "p_different",
        "p_zero",
        "margin",
        "alpha",
        "n",
        "power",
        "n_needed",
    }


def test_all_failures_are_in_the_json_though_few_are_shown():
    failures = [missing("killed", seed) for seed in range(50)]
    found = result_of(finished(failures=failures), mode="independent")
    assert len(found.to_json()["failures"]) == 50


def test_a_time_that_json_lacks_is_a_string():
    broken = finished()
    broken.rows[0] = row("keras", 0, math.nan, val_accuracy=0.9)
    written = json.loads(json.dumps(result_of(broken, mode="seeded").to_json(), allow_nan=False))
    assert_valid(written)
    assert written["wall_s"]["keras"] == "NaN"
