"""What got slower from one benchmark to another: what is called so, how often, what never is."""

import math
from dataclasses import replace

import numpy as np
import pytest
from bench_results import MACHINE, SPEC, noisy, result, row
from rows import each_row

from parity.bench.comparison import compare
from parity.bench.result import FAILED, REFUSED, SECONDS, BenchResult

MS = 0.001


def statuses(comparison):
    return {change.variant: change.status for change in comparison.changes}


def one(comparison, variant="torch"):
    (change,) = [item for item in comparison.changes if item.variant == variant]
    return change


def of_ratio(*ratios, **others):
    """A result of which the port has these ratios, pair by pair."""
    return result(
        row("keras", *[10.0] * len(ratios)), row("torch", *(10 * r for r in ratios)), **others
    )


OLD = (0.98, 0.99, 1.00, 1.01, 1.02)


@each_row(
    ("factor", "status"),
    [
        (1.0, "same"),
        (1.045, "same"),  # beyond the old interval, but by less than 5 %
        (1.055, "faster"),
        (0.955, "same"),
        (0.945, "slower"),
        (0.1, "slower"),
        (10.0, "faster"),
    ],
)
def test_a_change_is_one_of_more_than_the_threshold_whose_intervals_do_not_overlap(factor, status):
    found = compare(of_ratio(*OLD), of_ratio(*(factor * ratio for ratio in OLD)))
    change = one(found)
    assert (change.status, change.measure, change.baseline) == (status, "ratio", "keras")
    assert change.change == pytest.approx(factor - 1)
    assert (change.old.low, change.old.median, change.old.high) == pytest.approx((0.98, 1, 1.02))
    assert found.verdict == ("fail" if status == "slower" else "pass")


@each_row("factor", [0.8, 1.25])
def test_intervals_that_overlap_are_no_change_however_far_the_medians_are_apart(factor):
    wide = (0.7, 0.99, 1.00, 1.01, 1.3)
    found = compare(of_ratio(*wide), of_ratio(*(factor * ratio for ratio in wide)))
    assert one(found).status == "same"
    assert found.verdict == "pass"


@each_row(("threshold", "status"), [(0.0, "slower"), (0.05, "same"), (0.02, "slower")])
def test_the_threshold_is_the_callers(threshold, status):
    found = compare(of_ratio(*[1.0] * 7), of_ratio(*[0.97] * 7), threshold=threshold)
    assert one(found).status == status
    assert found.to_json()["threshold"] == threshold


def test_ratios_are_compared_on_any_machine_since_its_speed_cancels():
    other = {**MACHINE, "processor": "Xeon", "cores": 64}
    slow, fast = noisy(0, speed=2), noisy(1, speed=2, keras=9000.0, environment=other)
    found = compare(slow, fast)
    assert statuses(found) == {"keras": "not comparable", "torch": "same"}
    assert found.verdict == "pass"
    assert "processor AMD EPYC 7B13 became Xeon" in found.differences
    worse = compare(slow, noisy(1, speed=1.7, keras=9000.0, environment=other))
    assert statuses(worse) == {"keras": "not comparable", "torch": "slower"}
    assert worse.verdict == "fail"


@each_row(
    ("environment", "spec", "reason"),
    [
        ({**MACHINE, "processor": "Xeon"}, SPEC, "processor AMD EPYC 7B13 became Xeon"),
        ({**MACHINE, "cores": 4}, SPEC, "cores 2 became 4"),
        (MACHINE, {**SPEC, "threads": 1}, "threads 2 became 1"),
        ({**MACHINE, "gpu": "H100"}, SPEC, "gpu unknown became H100"),
        ({**MACHINE, "processor": ""}, SPEC, "the new result does not name its processor"),
        ({**MACHINE, "cores": None}, SPEC, "the new result does not name its cores"),
        (MACHINE, {"data": "embedded", "scenario": "dropout", "device": "cpu"}, "its threads"),
    ],
    ids=["processor", "cores", "threads", "gpu", "no processor", "no cores", "no threads"],
)
def test_speeds_are_compared_on_the_same_machine_only(environment, spec, reason):
    new = noisy(0, keras=500.0, environment=environment, spec=spec)
    change = one(compare(noisy(0), new), "keras")
    assert change.status == "not comparable"
    assert change.reason.startswith("no ratio in both; ")
    assert reason in change.reason
    assert (change.old, change.new, change.change) == (None, None, None)


@each_row(("factor", "status"), [(1.0, "same"), (0.8, "slower"), (1.25, "faster")])
@each_row("unit", ["images/s", "samples/s", "s"])
def test_the_speed_of_the_baseline_is_compared_on_the_same_machine(factor, status, unit):
    values = np.linspace(0.99, 1.01, 7)
    speeds = [values, factor * values]
    old, new = (
        result(row("keras", *(v if unit != "s" else 1 / v).tolist(), unit=unit)) for v in speeds
    )
    change = one(compare(old, new), "keras")
    assert (change.status, change.measure, change.unit) == (status, "speed", unit)
    assert change.change == pytest.approx(factor - 1)
    assert change.new.low <= change.new.median <= change.new.high


def test_less_seconds_are_faster_in_ratios_too():
    old, new = (
        result(
            row("keras", *[10 * MS] * 7, part="startup", unit=SECONDS),
            row("torch", *[seconds] * 7, part="startup", unit=SECONDS),
        )
        for seconds in (5 * MS, 4 * MS)
    )
    assert one(compare(old, new)).status == "faster"
    assert one(compare(new, old)).status == "slower"


@each_row("name", ["scenario", "data", "device"])
def test_another_training_is_not_compared(name):
    found = compare(noisy(0), noisy(0, spec={**SPEC, name: "other"}))
    assert set(statuses(found).values()) == {"not comparable"}
    assert one(found).reason == f"{name} {SPEC[name]} became other"
    assert found.verdict == "inconclusive"


def test_another_baseline_is_another_ratio():
    rows = [row(name, *[value] * 7) for name, value in (("keras", 1.0), ("a", 2.0), ("torch", 3.0))]
    other = {**MACHINE, "cores": 8}
    found = compare(result(*rows), result(*rows, baseline="a", environment=other))
    assert one(found).reason == "compared with keras before, with a now; cores 2 became 8"
    # On the same machine, speeds tell.
    found = compare(result(*rows), result(*rows, baseline="a"))
    assert (one(found).status, one(found).measure) == ("same", "speed")


@each_row("status", [FAILED, REFUSED])
@each_row("age", ["before", "now"])
def test_what_is_no_result_is_not_compared(status, age):
    good = noisy(0)
    bad = BenchResult(SPEC, [good.rows[0], replace(good.rows[1], status=status, reason="why")], {})
    found = compare(bad, good) if age == "before" else compare(good, bad)
    assert one(found).status == "not comparable"
    assert one(found).reason == f"{status} {age}: why"


@each_row("n", [0, 1, 3, 4])
def test_too_few_rounds_are_not_compared(n):
    found = compare(of_ratio(*[1.0] * 7), of_ratio(*[0.5] * n))
    assert one(found).reason == f"{n} rounds now; at least 5 are needed"
    assert found.verdict == "inconclusive"
    assert one(compare(of_ratio(*[1.0] * 7), of_ratio(*[0.5] * 5))).status == "slower"


def test_another_unit_is_not_compared():
    old, new = (result(row("keras", *[1.0] * 7, unit=unit)) for unit in ("images/s", "s"))
    assert one(compare(old, new), "keras").reason == "in images/s before, in s now"


def test_every_row_has_a_key_of_its_own():
    def rows(speed):
        cells = [("train", 32, "fp32"), ("train", 64, "fp32"), ("step", 32, "fp32")]
        return [
            row(name, *[value] * 7, part=part, batch_size=size, precision=precision)
            for part, size, precision in cells
            for name, value in (("keras", 1.0), ("torch", speed if size == 64 else 2.0))
        ]

    found = compare(result(*rows(2.0)), result(*rows(1.0)))
    slower = [change.key for change in found.changes if change.status == "slower"]
    assert slower == [("train", "torch", 64, "fp32")]
    assert len(found.changes) == 6


def test_rows_of_one_result_only_are_listed():
    keras, torch = row("keras", *[1.0] * 7), row("torch", *[2.0] * 7)
    eager = row("torch-eager", *[2.0] * 7)
    found = compare(result(keras, torch), result(keras, eager))
    assert found.only_old == (("train", "torch", 32, "fp32"),)
    assert found.only_new == (("train", "torch-eager", 32, "fp32"),)
    assert statuses(found) == {"keras": "same"}


@each_row("old", [result(), result(row("a", *[1.0] * 7))], ids=["none", "others"])
def test_what_has_nothing_in_common_does_not_pass(old):
    assert compare(old, noisy(0)).verdict == "inconclusive"


def test_what_differs_in_software_is_told():
    versions = {**MACHINE["versions"], "torch": "2.14.0", "jax": "1.0"}
    del versions["keras"]
    found = compare(noisy(0), noisy(0, environment={**MACHINE, "versions": versions}))
    assert set(found.differences) == {
        "torch 2.13.0 became 2.14.0",
        "jax unknown became 1.0",
        "keras 3.15.1 became unknown",
    }


@each_row("threshold", [-0.1, 1.0, 5, math.nan])
def test_a_threshold_that_is_no_share_is_an_error(threshold):
    with pytest.raises(ValueError, match=r"threshold=.*: expected a share in \[0, 1\)"):
        compare(noisy(0), noisy(0), threshold=threshold)


def test_a_row_that_stands_twice_is_an_error():
    twice = BenchResult({}, [row("torch", 1.0), row("torch", 2.0)], {})
    with pytest.raises(ValueError, match="a row of the new result stands twice"):
        compare(result(), twice)
    with pytest.raises(ValueError, match="a row of the old result stands twice"):
        compare(twice, result())


def rates(n, noise, *, num=1500, slower_by=0.0, between=0.0):
    """Shares of the three words for a port that became slower by a share, or did not.

    between: standard deviation of what a process keeps for all of its rounds.
    """
    generator = np.random.default_rng(n)

    def port():
        kept = between * generator.standard_normal()
        return np.exp(kept + noise * generator.standard_normal(n))

    def found(factor):
        return of_ratio(*(factor * port()).tolist())

    words = [one(compare(found(1), found(1 - slower_by))).status for _ in range(num)]
    return {word: words.count(word) / num for word in ("slower", "faster", "same")}


@each_row(
    ("n", "noise", "told"),
    [(5, 0.3, 0.004), (15, 0.05, 0.002)],
)
def test_a_row_that_did_not_change_is_called_slower_as_rarely_as_told(n, noise, told):
    num = 1500
    found = rates(n, noise, num=num)
    assert found["slower"] <= told + 3 * math.sqrt(told / num)
    assert found["faster"] <= told + 3 * math.sqrt(told / num)


def test_what_differs_from_process_to_process_alarms_as_often_as_told():
    found = rates(15, 0.02, between=0.02)
    assert found["slower"] == pytest.approx(0.04, abs=0.02)
    assert rates(15, 0.02, between=0.01)["slower"] < 0.01


def test_a_row_that_became_slower_by_a_tenth_is_called_so():
    """Otherwise a rule that never speaks would pass the tests above."""
    found = rates(15, 0.03, num=300, slower_by=0.1)
    assert found["slower"] > 0.95
    assert found["faster"] == 0
