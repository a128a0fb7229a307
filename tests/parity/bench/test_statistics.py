"""Ratios of rounds that took turns: their interval holds what it says, and pairs are pairs."""

import math

import numpy as np
import pytest
from rows import each_row
from scipy import stats

from parity.bench.result import FAILED, IMAGES_PER_S, REFUSED, SECONDS, Row
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
    if math.isnan(theirs.low):  # which says none where even the whole range is too little
        assert (low, high) == (values.min(), values.max())
        assert reached <= confidence
    else:
        assert (low, high) == (theirs.low, theirs.high)
        assert reached >= confidence
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
    found = paired_ratio([20.0, 30.0, 60.0], [10.0, 10.0, 15.0], IMAGES_PER_S)
    assert (found.median, found.low, found.high) == (3, 2, 4)
    assert (found.confidence, found.n) == (0.75, 3)


@each_row(
    ("arguments", "message"),
    [
        (([], [], "s"), "values: expected at least one number"),
        (([1.0, 2.0], [1.0], "s"), "2 values and 1 of the baseline: expected pairs"),
        (([1.0, math.nan], [1.0, 1.0], "s"), "values has nan: expected finite numbers"),
        (([1.0], [math.inf], "s"), "baseline has inf: expected finite numbers"),
        (([0.0], [1.0], "s"), "values has 0: expected numbers above 0"),
        (([1.0], [-1.0], "s"), "baseline has -1: expected numbers above 0"),
        (([1e300], [1e-300], "images/s"), "values has inf"),
        (([[1.0]], [[1.0]], "s"), "values: expected at least one number"),
        (([1.0], [1.0], "images"), "unit='images': expected one of 'images/s', 'samples/s', 's'"),
    ],
    ids=["none", "lengths", "nan", "inf", "zero", "negative", "overflow", "nested", "unit"],
)
def test_what_makes_no_ratio_is_an_error_that_shows_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        paired_ratio(*arguments)


@each_row("confidence", [0.0, 1.0, 95, math.nan])
def test_a_confidence_that_is_none_is_an_error(confidence):
    with pytest.raises(ValueError, match=r"confidence=.*: expected a number in \(0, 1\)"):
        paired_ratio([1.0], [1.0], "s", confidence=confidence)


def row(variant, *values, part="train", batch_size=32, precision="fp32", **others):
    return Row(
        part=part,
        variant=variant,
        batch_size=batch_size,
        precision=precision,
        values=values,
        **others,
    )


def test_a_row_is_compared_with_the_baseline_of_its_own_cell():
    rows = [
        row("torch", 30.0),
        row("keras", 10.0),
        row("keras", 20.0, batch_size=64),
        row("torch", 30.0, batch_size=64),
        row("keras", 5.0, part="step"),
        row("torch", 30.0, part="step"),
        row("keras", 4.0, part="startup", unit=SECONDS),
        row("torch", 1.0, part="startup", unit=SECONDS),
    ]
    found = with_ratios(rows, "keras")
    assert [item.ratio and item.ratio.median for item in found] == [
        *[3, None, None, 1.5, None, 6, None, 4],
    ]
    assert [item.baseline for item in found] == [
        None if item.variant == "keras" else "keras" for item in rows
    ]
    assert [item.key for item in found] == [item.key for item in rows]


def test_another_variant_can_be_the_baseline_and_then_has_no_ratio():
    rows = with_ratios([row("keras", 10.0), row("torch", 30.0)], "keras")
    keras, torch = with_ratios(rows, "torch")
    assert (torch.baseline, torch.ratio) == (None, None)
    assert keras.baseline == "torch"
    assert keras.ratio.median == pytest.approx(1 / 3)


@each_row("status", [FAILED, REFUSED])
@each_row("which", ["keras", "torch"])
def test_what_is_no_result_has_no_ratio_and_gives_none(status, which):
    rows = [row("keras", 10.0), row("torch", 30.0)]
    rows = [row(r.variant, *r.values, status=status) if r.variant == which else r for r in rows]
    assert [(r.baseline, r.ratio) for r in with_ratios(rows, "keras")] == [(None, None)] * 2


def test_a_row_without_rounds_has_no_ratio_and_gives_none():
    for rows in ([row("keras"), row("torch", 1.0)], [row("keras", 1.0), row("torch")]):
        assert [r.ratio for r in with_ratios(rows, "keras")] == [None, None]


def test_another_precision_is_not_compared_unless_that_is_asked_for():
    rows = [row("keras", 10.0), row("torch", 30.0), row("torch", 50.0, precision="bf16")]
    assert [r.baseline for r in with_ratios(rows, "keras")] == [None, "keras", None]
    found = with_ratios(rows, "keras", across_precision=True)
    assert [r.baseline for r in found] == [None, "keras", "keras (fp32)"]
    assert [r.ratio and r.ratio.median for r in found] == [None, 3, 5]


def test_across_precisions_the_baseline_of_the_same_one_comes_first():
    rows = [
        row("keras", 10.0),
        row("keras", 20.0, precision="bf16"),
        row("torch", 50.0, precision="bf16"),
    ]
    found = with_ratios(rows, "keras", across_precision=True)
    assert [(r.baseline, r.ratio and r.ratio.median) for r in found] == [
        (None, None),
        (None, None),
        ("keras", 2.5),
    ]


@each_row(
    ("rows", "message"),
    [
        ([row("keras", 1.0), row("keras", 2.0)], "stands twice"),
        ([row("keras", 1.0), row("torch", 1.0, 2.0)], "'torch', 32, 'fp32'.*: 2 values and 1"),
        ([row("keras", 1.0), row("torch", -1.0)], "'torch', 32, 'fp32'.*: values has -1"),
        ([row("keras", 1.0), row("torch", 1.0, unit=SECONDS)], "is in s, its baseline in images/s"),
    ],
    ids=["twice", "lengths", "negative", "units"],
)
def test_rows_that_are_no_pairs_are_an_error_with_the_row(rows, message):
    with pytest.raises(ValueError, match=message):
        with_ratios(rows, "keras")


def test_a_benchmark_without_the_baseline_has_no_ratios():
    assert [r.ratio for r in with_ratios([row("torch", 1.0)], "keras")] == [None]
    assert with_ratios([], "keras") == []


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


def test_rounds_that_are_no_numbers_have_no_trend_but_an_error():
    with pytest.raises(ValueError, match="values has nan"):
        drift([1.0] * 10 + [math.nan])
