"""Unrelated groups: by hand, against scipy, without a spread, and at the margin in simulations."""

import itertools
import math

import numpy as np
import pytest
from rows import each_row
from scipy import stats

from parity.stats import (
    NUM_DRAWN,
    corrected_t,
    decide,
    least_p,
    power_of_limit,
    skew_error,
    standard_errors,
)
from parity.sweeps import groups
from parity.sweeps.groups import (
    equivalence_of_groups,
    group_power,
    groups_needed,
    p_below,
    p_of_welch,
)


def drawn(seed, n, m):
    generator = np.random.default_rng(seed)
    return generator.gamma(2, 0.5, n) + 0.1, generator.normal(1, 1, m)


@each_row("sizes", [(12, 12), (6, 30), (30, 6), (2, 2), (3, 7)], ids=str)
@each_row("side", [1, -1])
def test_welchs_t_is_that_of_scipy_with_halls_correction(sizes, side):
    # Of the other side a long tail lies below, and no correction is made for it.
    x, y = (side * values for values in drawn(3, *sizes))
    found = stats.ttest_ind(x, y, equal_var=False)
    third = errors = total = 0.0
    for values, sign in ((x, 1), (y, -1)):
        k, variance = len(values), np.var(values, ddof=1)
        skew = stats.skew(values, bias=False) if k > 2 else 0.0
        third += sign * skew * variance**1.5 / k**2
        errors += (skew_error(k) * variance**1.5 / k**2) ** 2
        total += variance / k
    skew = max((third + 1.645 * math.sqrt(errors)) / total**1.5, 0)
    t = corrected_t(np.array(found.statistic), np.array(skew))
    assert p_of_welch(x, y) == pytest.approx(stats.t.cdf(t, found.df), rel=1e-9)


@each_row("sizes", [(4, 4), (6, 6), (3, 7), (2, 9)], ids=str)
@each_row("side", [1, -1])
def test_the_exact_test_is_that_of_scipy(sizes, side):
    x, y = (side * values for values in drawn(4, *sizes))
    expected = stats.permutation_test(
        (x, y), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf, alternative="less"
    ).pvalue
    assert groups._p_of_deals(x, y) == pytest.approx(expected, abs=1e-12)


def test_of_many_runs_a_fixed_sample_is_dealt_that_has_what_was_observed():
    # Of the same seed in every version: a benchmark has one result.
    expected = np.zeros((2**13, 17))
    chosen = np.random.default_rng(0).random((2**13, 17)).argsort(axis=1)[:, :8]
    np.put_along_axis(expected, chosen, 1, axis=1)
    expected[0] = [1] * 8 + [0] * 9
    np.testing.assert_array_equal(groups._deals(8, 9), expected)
    # All others have a greater sum.
    assert groups._p_of_deals(np.arange(8.0), np.arange(100.0, 109)) == 1 / 2**13
    generator = np.random.default_rng(1)
    x, y = generator.normal(0, 1, 8), generator.normal(0.6, 1, 8)
    by_all = np.mean([sum(d) <= x.sum() for d in itertools.combinations([*x, *y], 8)])
    assert groups._p_of_deals(x, y) == pytest.approx(by_all, abs=0.01)


def test_the_greatest_of_three_p_values_counts():
    biggest = set()
    for n in (3, 6, 12):
        for x, y in np.random.default_rng(0).normal([[0], [2]], 1, (30, 2, n)):
            each = groups._p_of_deals(x, y), p_of_welch(x, y), least_p(n)
            assert p_below(x, y) == max(each)
            biggest |= {int(np.argmax(each))}
    assert biggest == {0, 1, 2}


ONE, SPREAD = [1.0] * 6, np.array([-0.1, 0.0, 0.1, 0.0, -0.05, 0.05])
NARROW = [1.00, 1.01, 1.02, 1.0, 0.99, 1.0]
FEWER_THAN_SIX = [
    (
        1 + difference + spread * np.arange(n),
        [1.0] * n,
        {"verdict": "inconclusive", "n": n, "power": 0, "n_needed": 6},
    )
    for n in (2, 3, 4, 5)
    for difference in (0.0, 0.1, 3.0)
    for spread in (0.0, 1e-3)
]


@each_row(
    ("a", "b", "expected"),
    [
        *FEWER_THAN_SIX,  # decide nothing however sure they look
        # Without a spread they have the p of an exact test and never 0: one of C(14, 6) ways deals
        # all six of the first group into it.
        (ONE, [1.0] * 8, {"verdict": "equivalent", "p": 1 / 32, "p_zero": 1}),
        (
            [1.25] * 6,
            [1.0] * 8,
            {"verdict": "equivalent", "p": 1 / 32, "p_zero": pytest.approx(2 / 3003)},
        ),
        ([1.75] * 6, [1.0] * 8, {"verdict": "different", "p_different": 1 / 32}),
        # Exactly at the margin they are neither equivalent nor different.
        ([1.5] * 20, [1.0] * 20, {"verdict": "inconclusive", "p": 1, "p_different": 1}),
        # Where one has no spread, the other decides.
        (1 + SPREAD, ONE, {"verdict": "equivalent"}),
        (4 + SPREAD, ONE, {"verdict": "different"}),
        (NARROW, [1.01, 1.00, 1.03, 1.0, 1.0, 0.99], {"verdict": "equivalent"}),
        (NARROW, [3.01, 3.00, 3.03, 3.0, 3.0, 2.99], {"verdict": "different"}),
        (
            [1.0, 2.0, 3.0, 1.5, 0.2, 2.1],
            [1.9, 1.1, 3.2, 0.4, 2.0, 1.2],
            {"verdict": "inconclusive"},
        ),
    ],
    ids=str,
)
@each_row("is_swapped", [False, True])
def test_there_are_three_verdicts_on_groups(a, b, expected, is_swapped):
    first, second = (b, a) if is_swapped else (a, b)
    found = equivalence_of_groups(first, second, 0.5)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.verdict == decide(found.p, found.p_different, 0.05)
    assert min(found.p, found.p_different) >= least_p(found.n) == 2.0 ** (1 - found.n)
    assert found.difference == pytest.approx(np.mean(first) - np.mean(second))
    if np.ptp(a) == np.ptp(b) == 0:
        assert found.low == found.high == pytest.approx(found.difference)


def test_the_interval_ends_where_p_of_welch_is_alpha():
    for seed in range(8):
        x, y = drawn(seed, 9, 7)
        found = equivalence_of_groups(x, y, 0.5)
        ends = p_of_welch(x - found.high, y), p_of_welch(found.low - x, -y)
        assert ends == pytest.approx((0.05, 0.05), rel=1e-4)


def of_mean_0(kind, generator, shape):
    if kind == "tied":
        return generator.choice([-1.0, 0.0, 1.0], shape, p=[0.1, 0.8, 0.1])
    if kind == "exponential":
        return generator.standard_exponential(shape) - 1
    return generator.standard_normal(shape)


@each_row(
    ("first", "second", "factors"),
    [
        ("normal", "normal", (1, 1)),
        ("normal", "normal", (1, 3)),
        ("exponential", "exponential", (1, 1)),
        ("exponential", "constant", (1, 0)),
        ("constant", "exponential", (0, -1)),
        ("tied", "tied", (1, 1)),
        ("tied", "constant", (1, 0)),
    ],
)
@each_row("sizes", [(6, 6), (6, 20)], ids=str)
def test_groups_at_the_margin_are_called_equivalent_in_at_most_one_of_twenty(
    first, second, factors, sizes
):
    """Plain Welch calls exponential runs beside a constant equivalent in 14 %."""
    g, count = np.random.default_rng(sizes), 600
    x, y = (of_mean_0(kind, g, (count, n)) for kind, n in zip((first, second), sizes, strict=True))
    pairs = zip(factors[0] * x, factors[1] * y, strict=True)
    rate = np.mean([p_below(*pair) < 0.05 for pair in pairs])
    assert rate < 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)


@pytest.mark.long
@each_row(("n", "margin"), [(6, 2.2), (10, 4.0), (24, 1.4)])
def test_the_power_that_is_told_is_the_rate_that_is_seen(n, margin):
    count, told = 600, group_power(margin, 1.0, n)
    pairs = np.random.default_rng(n).standard_normal((count, 2, n))
    p = [max(p_below(x - margin, y), p_below(-x - margin, -y)) for x, y in pairs]
    error = 0.015 + 3 * math.sqrt(told * (1 - told) / count)
    assert np.mean(np.less(p, 0.05)) == pytest.approx(told, abs=error)


def test_the_power_of_many_runs_is_that_of_welchs_t_with_the_skew_that_is_left():
    for n, is_integral in ((257, True), (256, False)):
        # Two groups of normal runs with the same spread have 2 (n - 1) degrees of freedom.
        skew = np.array(1.645 * skew_error(n) / (2 * math.sqrt(n)))
        limit = float(standard_errors(stats.t.ppf(0.05, 2 * (n - 1)), skew))
        integral = power_of_limit(0.24, math.sqrt(2 / n), 2 * (n - 1), limit)
        assert (group_power(0.24, 1.0, n) == pytest.approx(integral, rel=1e-6)) is is_integral


def test_spreads_are_drawn_in_one_sample_for_good():
    x, y = np.random.default_rng(0).standard_normal((2, NUM_DRAWN, 3))
    spread, df, skews = groups._drawn(3)
    expected = np.sqrt((x.var(axis=1, ddof=1) + y.var(axis=1, ddof=1)) / 2)
    np.testing.assert_allclose(spread, expected)
    np.testing.assert_allclose(df, stats.ttest_ind(x, y, axis=1, equal_var=False).df)
    # Of the difference, and of the difference with its sign changed.
    expected = [groups._difference(sign * x, sign * y)[3] for sign in (1, -1)]
    np.testing.assert_array_equal(skews, expected)
    assert (skews[0] != skews[1]).any()


def test_the_power_is_that_of_two_groups_of_the_smaller_size_with_the_same_error():
    x, y = drawn(5, 9, 7)
    found = equivalence_of_groups(x, y, 1.5)
    sd = math.sqrt((np.var(x, ddof=1) / 9 + np.var(y, ddof=1) / 7) * 7 / 2)
    told = (found.n, found.n_needed, found.margin, found.alpha)
    assert told == (7, groups_needed(1.5, sd), 1.5, 0.05)
    assert found.power == pytest.approx(group_power(1.5, sd, 7), rel=1e-9)


def test_the_runs_that_are_needed_are_the_fewest_that_are_enough():
    for sd in (0.1, 0.5, 1.0, 7.0):
        n = groups_needed(0.6, sd)
        assert group_power(0.6, sd, n) >= 0.8 > group_power(0.6, sd, n - 1)
    assert groups_needed(1e-6, 1.0) is None


@each_row(
    ("arguments", "message"),
    [
        (([1.0], [1.0], 1), r"a=\[1.0\]: expected at least 2 values"),
        (([1.0, 2.0], [1.0, math.nan], 1), "b has nan: expected finite values"),
        (([1.0, 2.0], [1.0, 2.0], 0), "margin=0: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], math.inf), "margin=inf: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], 1, 0.5), r"alpha=0.5: expected a level in \(0, 0.5\)"),
    ],
    ids=["one value", "nan", "margin 0", "margin inf", "alpha"],
)
def test_what_makes_no_sense_is_an_error_that_shows_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        equivalence_of_groups(*arguments)
