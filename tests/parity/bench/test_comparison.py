"""What got slower from one benchmark to another: what is called so, how often, what never is."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from bench_results import MACHINE, SPEC, noisy, result, row
from rows import each_row

from parity.bench.comparison import compare
from parity.bench.result import FAILED, REFUSED, SECONDS, BenchResult

MS = 0.001


def one(comparison, variant="torch"):
    return {change.variant: change for change in comparison.changes}[variant]


def of_ratio(*ratios, **others):
    """A result of which the port has these ratios, pair by pair."""
    return result(
        row("keras", *[10.0] * len(ratios)), row("torch", *(10 * r for r in ratios)), **others
    )


OLD = (0.98, 0.99, 1.00, 1.01, 1.02)


WIDE = (0.7, 0.99, 1.00, 1.01, 1.3)


def times(factor, ratios):
    return [factor * ratio for ratio in ratios]


@each_row(
    ("ratios", "factor", "options", "status"),
    [
        (OLD, 1.0, {}, "same"),
        (OLD, 1.045, {}, "same"),  # beyond the old interval, but by less than 5 %
        (OLD, 1.055, {}, "faster"),
        (OLD, 0.955, {}, "same"),
        (OLD, 0.945, {}, "slower"),
        (OLD, 0.1, {}, "slower"),
        (OLD, 10.0, {}, "faster"),
        # Intervals that overlap are no change however far the medians are apart.
        (WIDE, 0.8, {}, "same"),
        (WIDE, 1.25, {}, "same"),
        # The threshold is the caller's.
        ([1.0] * 7, 0.97, {"threshold": 0.0}, "slower"),
        ([1.0] * 7, 0.97, {"threshold": 0.05}, "same"),
        ([1.0] * 7, 0.97, {"threshold": 0.02}, "slower"),
        ([1.0] * 5, 0.5, {}, "slower"),  # enough rounds
    ],
)
def test_a_change_is_one_of_more_than_the_threshold_whose_intervals_do_not_overlap(
    ratios, factor, options, status
):
    found = compare(of_ratio(*ratios), of_ratio(*times(factor, ratios)), **options)
    change = one(found)
    assert (change.status, change.measure, change.baseline) == (status, "ratio", "keras")
    assert change.change == pytest.approx(factor - 1)
    ends = (change.old.low, change.old.median, change.old.high)
    assert ends == pytest.approx((min(ratios), 1, max(ratios)))
    assert found.verdict == ("fail" if status == "slower" else "pass")
    assert found.to_json()["threshold"] == options.get("threshold", 0.05)


def test_ratios_are_compared_on_any_machine_since_its_speed_cancels():
    other = {**MACHINE, "processor": "Xeon", "cores": 64}
    for speed, status, verdict in ((2, "same", "pass"), (1.7, "slower", "fail")):
        found = compare(noisy(0, speed=2), noisy(1, speed=speed, keras=9000.0, environment=other))
        statuses = [(change.variant, change.status) for change in found.changes]
        assert statuses == [("keras", "not comparable"), ("torch", status)]
        assert found.verdict == verdict
    assert "processor AMD EPYC 7B13 became Xeon" in found.differences


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
    assert (change.status, change.old, change.new, change.change) == ("not comparable", *[None] * 3)
    assert re.match(f"no ratio in both; .*{reason}", change.reason)


@each_row(("factor", "status"), [(1.0, "same"), (0.8, "slower"), (1.25, "faster")])
@each_row("unit", ["images/s", "samples/s", "s"])
def test_the_speed_of_the_baseline_is_compared_on_the_same_machine(factor, status, unit):
    speeds = np.linspace(0.99, 1.01, 7) * np.array([[1], [factor]])
    speeds = [1 / each if unit == "s" else each for each in speeds]
    old, new = (result(row("keras", *each.tolist(), unit=unit)) for each in speeds)
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
    assert (one(compare(old, new)).status, one(compare(new, old)).status) == ("faster", "slower")


def of_status(status):
    keras, torch = noisy(0).rows
    return BenchResult(SPEC, [keras, replace(torch, status=status, reason="why")], {})


def of_three(baseline="keras", **others):
    """A result of three variants without noise, of which any may be the baseline."""
    speeds = {"keras": 1.0, "a": 2.0, "torch": 3.0}
    rows = [row(name, *[speed] * 7) for name, speed in speeds.items()]
    return result(*rows, baseline=baseline, **others)


SEVEN = of_ratio(*[1.0] * 7)


@each_row(
    ("old", "new", "reason"),
    [
        *(
            (noisy(0), noisy(0, spec={**SPEC, name: "other"}), f"{name} {SPEC[name]} became other")
            for name in ("scenario", "data", "device")
        ),
        # Another baseline is another ratio.
        (
            of_three(),
            of_three("a", environment={**MACHINE, "cores": 8}),
            "compared with keras before, with a now; cores 2 became 8",
        ),
        # What is no result.
        *((of_status(bad), noisy(0), f"{bad} before: why") for bad in (FAILED, REFUSED)),
        *((noisy(0), of_status(bad), f"{bad} now: why") for bad in (FAILED, REFUSED)),
        *(
            (SEVEN, of_ratio(*[0.5] * n), f"{n} rounds now; at least 5 are needed")
            for n in (0, 1, 3, 4)
        ),
        (
            result(row("torch", *[1.0] * 7, unit="images/s")),
            result(row("torch", *[1.0] * 7, unit="s")),
            "in images/s before, in s now",
        ),
    ],
)
def test_what_is_not_the_same_is_not_compared(old, new, reason):
    found = one(compare(old, new))
    assert (found.status, found.reason) == ("not comparable", reason)


def test_of_another_baseline_on_the_same_machine_speeds_tell():
    found = one(compare(of_three(), of_three("a")))
    assert (found.status, found.measure) == ("same", "speed")


def test_every_row_has_a_key_of_its_own():
    old, new = (
        result(
            *(
                row(name, *[value] * 7, part=part, batch_size=size)
                for part, size in (("train", 32), ("train", 64), ("step", 32))
                for name, value in (("keras", 1.0), ("torch", speed if size == 64 else 2.0))
            )
        )
        for speed in (2.0, 1.0)
    )
    changes = {change.key: change.status for change in compare(old, new).changes}
    assert changes == {row.key: "same" for row in new.rows} | {
        ("train", "torch", 64, "fp32"): "slower"
    }


def test_rows_of_one_result_only_are_listed():
    keras, torch = row("keras", *[1.0] * 7), row("torch", *[2.0] * 7)
    eager = row("torch-eager", *[2.0] * 7)
    found = compare(result(keras, torch), result(keras, eager))
    assert (found.only_old, found.only_new) == ((torch.key,), (eager.key,))
    assert [(change.variant, change.status) for change in found.changes] == [("keras", "same")]


@each_row(
    "old",
    [result(), result(row("a", *[1.0] * 7)), noisy(0, spec={**SPEC, "data": "other"})],
    ids=["none", "others", "data"],
)
def test_what_has_nothing_in_common_does_not_pass(old):
    assert compare(old, noisy(0)).verdict == "inconclusive"


def test_what_differs_in_software_is_told():
    versions = {"numpy": MACHINE["versions"]["numpy"], "torch": "2.14.0", "jax": "1.0"}
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
    for age, both in (("new", (result(), twice)), ("old", (twice, result()))):
        with pytest.raises(ValueError, match=f"a row of the {age} result stands twice"):
            compare(*both)


def rates(n, noise, *, num=1500, slower_by=0.0, between=0.0):
    """Shares of the three words for a port that became slower by a share, or did not.

    between: standard deviation of what a process keeps for all of its rounds.
    """
    generator = np.random.default_rng(n)
    kept = between * generator.standard_normal((num, 2, 1))
    ports = np.exp(kept + noise * generator.standard_normal((num, 2, n)))
    pairs = (ports * [[1.0], [1 - slower_by]]).tolist()
    words = [one(compare(of_ratio(*old), of_ratio(*new))).status for old, new in pairs]
    return {word: words.count(word) / num for word in ("slower", "faster", "same")}


@each_row(
    ("n", "noise", "told"),
    [(5, 0.3, 0.004), (15, 0.05, 0.002)],
)
def test_a_row_that_did_not_change_is_called_slower_as_rarely_as_told(n, noise, told):
    found = rates(n, noise)
    assert max(found["slower"], found["faster"]) <= told + 3 * math.sqrt(told / 1500)


def test_what_differs_from_process_to_process_alarms_as_often_as_told():
    assert rates(15, 0.02, between=0.02)["slower"] == pytest.approx(0.04, abs=0.02)
    assert rates(15, 0.02, between=0.01)["slower"] < 0.01


def test_a_row_that_became_slower_by_a_tenth_is_called_so():
    """Otherwise a rule that never speaks would pass the tests above."""
    found = rates(15, 0.03, num=300, slower_by=0.1)
    assert (found["slower"] > 0.95, found["faster"]) == (True, 0)
