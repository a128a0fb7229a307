"""Ratios of rounds that took turns: their interval holds what it says, and pairs are pairs."""

import math
from functools import partial

import numpy as np
import pytest
from bench_results import row
from rows import each_row
from scipy import stats

from parity.bench.result import FAILED, IMAGES_PER_S, REFUSED, SECONDS, Ratio
from parity.bench.statistics import drift, median_interval, paired_ratio, with_ratios


def rounds(generator, n, *, speed=1.0, noise=0.05, heavy=False):
    """A variant and its baseline: noise of each round, and a machine that wanders under both."""
    time = np.linspace(0, 1, n)
    machine = np.exp(generator.normal(0, 0.3) * time + 0.1 * np.cumsum(generator.normal(size=n)))
    df = 2 if heavy else np.inf  # of Student's t; with 2 the spread is infinite
    values, baseline = (
        1000 * machine * np.exp(noise * generator.standard_normal(n) * scale)
        for scale in (np.sqrt(df / generator.chisquare(df, n)) if heavy else 1.0 for _ in range(2))
    )
    return (speed * values).tolist(), baseline.tolist()


def coverage(n, *, num=3000, true=1.0, unit=IMAGES_PER_S, **settings):
    """How often the interval holds the true ratio, and one that is a tenth greater."""
    generator, held, others = np.random.default_rng(n), 0, 0
    for _ in range(num):
        a, b = rounds(generator, n, speed=true if unit == IMAGES_PER_S else 1 / true, **settings)
        found = paired_ratio(a, b, unit)
        held += found.low <= true <= found.high
        others += found.low <= 1.1 * true <= found.high
    return held / num, others / num


@each_row("n", [7, 31])
def test_the_interval_of_a_variant_against_itself_holds_1_as_often_as_it_says(n):
    num = 3000
    held, _ = coverage(n, num=num)
    told = paired_ratio([1.0] * n, [1.0] * n, IMAGES_PER_S).confidence
    assert told >= 0.95
    assert held >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / num)
    assert held == pytest.approx(told, abs=4 * math.sqrt(told * (1 - told) / num))


@each_row("settings", [{"heavy": True}, {"true": 3.0}, {"unit": SECONDS}], ids=str)
def test_it_does_so_for_any_noise_and_any_ratio_and_unit(settings):
    held, _ = coverage(15, num=1500, **settings)
    assert held >= 0.9648 - 4 * math.sqrt(0.96 * 0.04 / 1500)


def test_the_interval_does_not_hold_what_is_not_true():
    """Otherwise one from 0 to infinity would pass the tests above."""
    assert coverage(15, num=500)[1] < 0.2
    assert coverage(31, num=500)[1] < 0.01


def test_rounds_that_took_turns_are_compared_in_pairs():
    """The machine becomes ten times as slow: medians of each would tell anything."""
    machine = np.geomspace(1000, 100, 15)
    found = paired_ratio((1.5 * machine).tolist(), machine.tolist(), IMAGES_PER_S)
    assert (found.median, found.low, found.high) == pytest.approx((1.5, 1.5, 1.5), rel=1e-12)
    turned = paired_ratio((1.5 * machine[::-1]).tolist(), machine.tolist(), IMAGES_PER_S)
    assert turned.high / turned.low > 10


@each_row("n", [*range(1, 41), 100, 1001])
@each_row("confidence", [0.5, 0.9, 0.95, 0.999])
def test_the_interval_is_that_of_scipys_sign_test(n, confidence):
    values = np.random.default_rng(n).normal(size=n)
    low, high, reached = median_interval(values.tolist(), confidence)
    theirs = stats.quantile_test(values, p=0.5).confidence_interval(confidence)
    is_enough = not math.isnan(theirs.low)  # even the whole range may be too little
    assert (low, high) == ((theirs.low, theirs.high) if is_enough else (values.min(), values.max()))
    assert reached >= confidence if is_enough else reached <= confidence
    rank = int(np.searchsorted(np.sort(values), low)) + 1
    assert reached == pytest.approx(1 - 2 * stats.binom.cdf(rank - 1, n, 0.5), abs=1e-12)


@each_row(
    ("values", "interval"),
    [
        ([5.0], (5, 5, 0)),
        ([1.0, 2.0], (1, 2, 0.5)),
        ([3.0, 1.0, 2.0], (1, 3, 0.75)),
        ([4.0, 3.0, 1.0, 2.0], (1, 4, 0.875)),
        ([1.0, 2.0, 3.0, 4.0, 5.0], (1, 5, 0.9375)),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (1, 6, 0.96875)),
        # 1 - 2 (1 + 8) / 256 = 0.93: the whole range still; 1 - 2 (1 + 9) / 512 = 0.96: no more.
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], (1, 8, 1 - 2 / 256)),
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], (2, 8, 1 - 20 / 512)),
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else "",
)
def test_the_interval_by_hand(values, interval):
    assert median_interval(values) == interval


def test_ratios_by_hand():
    expected = Ratio(median=3, low=2, high=4, confidence=0.75, n=3)
    assert paired_ratio([20.0, 30.0, 60.0], [10.0, 10.0, 15.0], IMAGES_PER_S) == expected


FAST, SLOW = row("torch", 30.0), row("keras", 10.0)
HALF, NOTHING = row("torch", 50.0, precision="bf16"), (None, None)


@each_row(
    ("rows", "options", "expected"),
    [
        # Each with the baseline of its own part, batch size and precision.
        (
            [
                *(FAST, SLOW),
                *(row("keras", 20.0, batch_size=64), row("torch", 30.0, batch_size=64)),
                *(row("keras", 5.0, part="step"), row("torch", 30.0, part="step")),
                row("keras", 4.0, part="startup", unit=SECONDS),
                row("torch", 1.0, part="startup", unit=SECONDS),
            ],
            {},
            [
                *(("keras", 3), NOTHING, NOTHING, ("keras", 1.5)),
                *(NOTHING, ("keras", 6), NOTHING, ("keras", 4)),
            ],
        ),
        # Another variant can be the baseline, and then has no ratio.
        (with_ratios([SLOW, FAST], "keras"), {"baseline": "torch"}, [("torch", 1 / 3), NOTHING]),
        # What is no result has no ratio and gives none.
        *(
            (
                [row("keras", 10.0, status=keras), row("torch", 30.0, status=torch)],
                {},
                [NOTHING] * 2,
            )
            for bad in (FAILED, REFUSED)
            for keras, torch in ((bad, "ok"), ("ok", bad))
        ),
        # Nor has a row without rounds.
        ([row("keras"), FAST], {}, [NOTHING] * 2),
        ([SLOW, row("torch")], {}, [NOTHING] * 2),
        # Another precision is not compared unless that is asked for.
        ([SLOW, FAST, HALF], {}, [NOTHING, ("keras", 3), NOTHING]),
        (
            [SLOW, FAST, HALF],
            {"across_precision": True},
            [NOTHING, ("keras", 3), ("keras (fp32)", 5)],
        ),
        # Then the baseline of the same one comes first.
        (
            [SLOW, row("keras", 20.0, precision="bf16"), HALF],
            {"across_precision": True},
            [NOTHING, NOTHING, ("keras", 2.5)],
        ),
        ([FAST], {}, [NOTHING]),
        ([], {}, []),
    ],
)
def test_rows_are_compared_with_their_baseline(rows, options, expected):
    found = with_ratios(rows, **{"baseline": "keras", **options})
    assert [item.key for item in found] == [item.key for item in rows]
    assert [(item.baseline, item.ratio and item.ratio.median) for item in found] == expected


@each_row(
    ("function", "arguments", "message"),
    [
        (paired_ratio, ([], [], "s"), "values: expected at least one number"),
        (
            paired_ratio,
            ([1.0, 2.0], [1.0], "s"),
            "2 values and 1 of the baseline: expected pairs",
        ),
        (paired_ratio, ([1.0, math.nan], [1.0, 1.0], "s"), "values has nan: expected finite numb"),
        (paired_ratio, ([1.0], [math.inf], "s"), "baseline has inf: expected finite numbers"),
        (paired_ratio, ([0.0], [1.0], "s"), "values has 0: expected numbers above 0"),
        (paired_ratio, ([1.0], [-1.0], "s"), "baseline has -1: expected numbers above 0"),
        (paired_ratio, ([1e300], [1e-300], "images/s"), "values has inf"),
        (paired_ratio, ([[1.0]], [[1.0]], "s"), "values: expected at least one number"),
        (
            paired_ratio,
            ([1.0], [1.0], "images"),
            "unit='images': expected one of 'images/s', 'samples/s', 's'",
        ),
        *(
            (
                partial(paired_ratio, confidence=confidence),
                ([1.0], [1.0], "s"),
                r"confidence=.*: expected a number in \(0, 1\)",
            )
            for confidence in (0.0, 1.0, 95, math.nan)
        ),
        (with_ratios, ([SLOW, SLOW], "keras"), "stands twice"),
        (with_ratios, ([SLOW, row("torch", 1.0, 2.0)], "keras"), "'torch', 32, 'fp32'.*: 2 values"),
        (
            with_ratios,
            ([SLOW, row("torch", -1.0)], "keras"),
            "'torch', 32, 'fp32'.*: values has -1",
        ),
        (
            with_ratios,
            ([SLOW, row("torch", 1.0, unit=SECONDS)], "keras"),
            "is in s, its baseline in images/s",
        ),
        (drift, ([1.0] * 10 + [math.nan],), "values has nan"),
    ],
)
def test_what_makes_no_sense_is_an_error_that_shows_it(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)


@each_row(
    ("values", "moved"),
    [
        ([1.00, 1.01, 1.02, 1.03, 1.04, 1.05, 1.06], 0.06 / 1.03),
        ([1.06, 1.05, 1.04, 1.03, 1.02, 1.01, 1.00], -0.06 / 1.03),
        # One slow round of eleven: the slopes that it takes part in are ten of 55.
        ([10.0, 11, 12, 13, 14, 1, 16, 17, 18, 19, 20], 10 / 14),
    ],
    ids=["rising", "falling", "with a slow round"],
)
def test_a_trend_is_the_share_from_first_to_last_round(values, moved):
    assert drift(values) == pytest.approx(moved)


@each_row(
    "values",
    [[], [1.0], [1.0, 2.0, 3.0, 4.0, 5.0], [7.0] * 20, [1.0, 2.0] * 10, [0.0] * 10],
    ids=["none", "one", "five", "constant", "to and fro", "zeros"],
)
def test_no_trend_is_told_where_none_can_be(values):
    assert drift(values) is None


@each_row("n", [6, 40])
def test_noise_is_rarely_called_a_trend(n):
    generator, num = np.random.default_rng(n), 1000
    found = sum(drift(np.exp(generator.normal(0, 0.1, n)).tolist()) is not None for _ in range(num))
    assert found / num < 0.005 + 3 * math.sqrt(0.005 * 0.995 / num)


def test_a_warm_up_that_was_too_short_is_called_one():
    generator, num = np.random.default_rng(0), 200
    warming = 1000 * (1 - 0.3 * np.exp(-np.arange(15) / 5))
    found = [drift((warming * np.exp(generator.normal(0, 0.02, 15))).tolist()) for _ in range(num)]
    assert sum(moved is not None and 0.05 < moved < 0.4 for moved in found) > 0.95 * num
