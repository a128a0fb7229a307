"""Equivalence of pairs: by hand, by scipy, at the margin, without a spread, with skew."""

import math

import numpy as np
import pytest
from rows import each_row
from scipy import stats

from parity.stats import decide, power_of_limit
from parity.sweeps.pairs import (
    Z_SKEW,
    equivalence_of_pairs,
    p_below,
    p_of_t,
    pair_power,
    pairs_needed,
)


def judged(d, margin=0.5):
    """The test of pairs with these differences."""
    return equivalence_of_pairs(np.add(d, 2.0), np.full(len(d), 2.0), margin)


def hall(x):
    """Hall's transformation of t, with the upper limit of the skew, written out."""
    n = len(x)
    t = np.mean(x) / (np.std(x, ddof=1) / math.sqrt(n))
    error = math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))
    a = max(0.0, stats.skew(x, bias=False) + Z_SKEW * error) / (3 * math.sqrt(n))
    return ((1 + a * t) ** 3 - 1) / (3 * a) + a / 2 if a else t


@each_row("n", [3, 6, 12, 40])
@each_row("shift", [-1.5, -0.3, 0.0, 0.4])
def test_p_of_t_is_that_of_halls_formula(n, shift):
    x = np.random.default_rng(n).normal(shift, 1, n)
    assert p_of_t(x) == pytest.approx(stats.t.cdf(hall(x), n - 1), rel=1e-7)


def test_a_left_skew_is_not_made_use_of():
    """Where the skew is surely negative, t is Student's."""
    x = -(np.random.default_rng(1).standard_exponential(200) ** 2) + 1.5
    assert stats.skew(x) < -2
    assert p_of_t(x) == pytest.approx(stats.ttest_1samp(x, 0, alternative="less").pvalue, rel=1e-6)


@each_row(("x", "p"), [(-0.5, 0.0), (0.0, 1.0), (0.5, 1.0)])
def test_t_without_a_spread_is_certain_but_the_test_of_pairs_is_not(x, p):
    assert (p_of_t(np.full(6, x)), p_below(np.full(6, x))) == (p, 1 / 32 if p == 0 else 1)


FEWER_THAN_SIX = [
    ([d] * n, {"verdict": "inconclusive", least: 2.0 ** (1 - n), "power": 0, "n_needed": 6})
    for n in (2, 3, 4, 5)
    for d, least in ((0.0, "p"), (0.001, "p"), (3.0, "p_different"))
]


@each_row(
    ("d", "expected"),
    [
        *FEWER_THAN_SIX,  # decide nothing however equal they are
        # Without a spread, six decide with the p of the exact test.
        ([0.0] * 6, {"verdict": "equivalent", "p": 1 / 32, "p_zero": 1}),
        ([0.25] * 6, {"verdict": "equivalent", "p": 1 / 32, "p_zero": 1 / 32}),
        ([0.75] * 6, {"verdict": "different", "p_different": 1 / 32, "p_zero": 1 / 32}),
        # A spread of rounding is none.
        (np.full(6, 0.1) - np.array([0, 1] * 3) * 1e-17, {"verdict": "equivalent", "p": 1 / 32}),
        # Exactly at the margin they are neither equivalent nor different.
        ([0.5] * 20, {"verdict": "inconclusive", "p": 1, "p_different": 1}),
        ([0.01, -0.01, 0.02, -0.02, 0.01, 0.0, -0.01], {"verdict": "equivalent"}),
        # All seven point one way.
        ([2.01, 1.99, 2.02, 1.98, 2.01, 2.0, 1.99], {"verdict": "different", "p_zero": 2 / 2**7}),
        ([0.9, -0.9, 0.1, -0.2, 0.4, 0.3, -0.5], {"verdict": "inconclusive"}),
    ],
)
@each_row("sign", [1, -1])
def test_there_are_three_verdicts_on_pairs(d, expected, sign):
    found = judged(np.multiply(sign, d))
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.verdict == decide(found.p, found.p_different, 0.05)
    assert found.difference == pytest.approx(sign * np.mean(d))
    if np.ptp(d) == 0:
        assert found.low == found.high == pytest.approx(found.difference)


def test_the_interval_ends_where_p_of_t_is_alpha():
    for seed in range(20):
        d = np.random.default_rng(seed).standard_exponential(12)
        found = judged(d)
        ends = p_of_t(d - found.high), p_of_t(found.low - d)
        assert ends == pytest.approx((0.05, 0.05), rel=1e-4)
        is_right = stats.skew(d) > 0  # the interval reaches farther on the side of the long tail
        assert (found.high + found.low > 2 * found.difference) == is_right


def test_power_and_the_pairs_that_are_needed_are_those_of_the_spread_of_the_differences():
    d = np.random.default_rng(5).normal(0.1, 1, 9)
    found, sd = judged(d, 1.5), np.std(d, ddof=1)
    told = (found.n, found.n_needed, found.margin, found.alpha)
    assert told == (9, pairs_needed(1.5, sd), 1.5, 0.05)
    assert found.power == pytest.approx(pair_power(1.5, sd, 9), rel=1e-9)


@each_row("n", [6, 10, 20])
@each_row(
    ("name", "draw"),
    [
        ("normal", lambda g, s: g.standard_normal(s)),
        ("exponential", lambda g, s: g.standard_exponential(s) - 1),
        ("steps", lambda g, s: np.round(2 * g.standard_normal(s)) / 2),
        ("mostly tied", lambda g, s: g.choice([-1.0, 0, 1], s, p=[0.1, 0.8, 0.1])),
    ],
)
def test_pairs_at_the_margin_are_called_equivalent_in_at_most_one_of_twenty(n, name, draw):
    """Plain t calls exponential ones equivalent in 15 % (n = 6) and 11 % (n = 20)."""
    count = 2000
    x = draw(np.random.default_rng([n, len(name)]), (count, n))
    assert np.mean(p_below(x) < 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)
    if name == "exponential":
        assert np.mean(stats.ttest_1samp(x, 0, axis=1, alternative="less").pvalue < 0.05) > 0.09


@each_row(("n", "margin"), [(6, 3.0), (10, 1.6), (24, 1.0)])
def test_the_power_that_is_told_is_the_rate_that_is_seen(n, margin):
    count, told = 1500, pair_power(margin, 1.0, n)
    d = np.random.default_rng(n).standard_normal((count, n))
    rate = np.mean(np.maximum(p_below(d - margin), p_below(-d - margin)) < 0.05)
    assert rate == pytest.approx(told, abs=0.01 + 3 * math.sqrt(told * (1 - told) / count))


def test_the_power_of_many_pairs_that_is_an_integral_continues_that_which_is_drawn():
    for margin in (0.12, 0.17, 0.25):
        drawn, integral = (pair_power(margin, 1.0, n) for n in (256, 257))
        assert integral == pytest.approx(drawn, abs=0.01)
        # Student's t, without the limit of the skew, is a little surer.
        plain = power_of_limit(margin, 1 / math.sqrt(257), 256, stats.t.ppf(0.95, 256))
        assert integral < plain < integral + 0.06


def test_power_falls_with_the_true_difference_and_is_alpha_at_the_margin():
    found = [pair_power(0.5, 1.0, 100, difference=shift) for shift in (0, 0.1, 0.3, 0.5)]
    assert (found, found[-1]) == (sorted(found, reverse=True), pytest.approx(0.045, abs=0.01))
    assert pair_power(0.5, 1.0, 100, difference=-0.3) == pytest.approx(found[2], abs=0.03)


def test_without_a_spread_the_power_is_certain_from_six_pairs_on():
    assert [pair_power(0.1, 0.0, n) for n in (2, 5, 6, 100)] == [0, 0, 1, 1]
    assert pair_power(0.1, 0.0, 6, difference=0.1) == 0


def test_the_pairs_that_are_needed_are_the_fewest_that_are_enough():
    for sd in (0.1, 0.5, 1.0, 7.0):
        n = pairs_needed(0.6, sd)
        assert pair_power(0.6, sd, n) >= 0.8 > pair_power(0.6, sd, n - 1)
    assert pairs_needed(1e-6, 1.0) is None


@each_row(
    ("arguments", "message"),
    [
        (([1.0], [1.0], 1), r"a=\[1.0\]: expected at least 2 values"),
        (([1.0, 2.0], [1.0, math.nan], 1), "b has nan: expected finite values"),
        (([1.0, 2.0], [1.0, 2.0, 3.0], 1), "2 and 3 values: expected pairs"),
        (([1.0, 2.0], [1.0, 2.0], 0), "margin=0: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], 1, 0.5), r"alpha=0.5: expected a level in \(0, 0.5\)"),
    ],
    ids=["one value", "nan", "lengths", "margin 0", "alpha"],
)
def test_what_makes_no_sense_is_an_error_that_shows_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        equivalence_of_pairs(*arguments)
