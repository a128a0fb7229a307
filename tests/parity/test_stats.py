"""Equivalence tests, their power and the correction for many of them, against other libraries."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW, ttost_ind, ttost_paired

from parity.stats import (
    Equivalence,
    decide,
    equivalence_of_groups,
    equivalence_of_pairs,
    equivalence_power,
    holm,
    needed_n,
)


def groups(seed, n_a=12, n_b=12, shift=0.1, spread=0.5):
    generator = np.random.default_rng(seed)
    a = generator.normal(0.9, 1, n_a)
    b = (a[:n_b] if n_a == n_b else generator.normal(0.9, 1, n_b)) + generator.normal(
        shift, spread, n_b
    )
    return a, b


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("margin", [0.1, 0.4, 2.0])
def test_p_of_pairs_is_that_of_statsmodels(seed, margin):
    a, b = groups(seed)
    ours = equivalence_of_pairs(a, b, margin)
    p, _, _ = ttost_paired(a, b, -margin, margin)
    assert ours.p == pytest.approx(p, rel=1e-10)
    interval = DescrStatsW(a - b).tconfint_mean(alpha=0.1)
    assert (ours.low, ours.high) == pytest.approx(interval, rel=1e-10)


@pytest.mark.parametrize("sizes", [(12, 12), (5, 30), (30, 5), (2, 2)], ids=str)
@pytest.mark.parametrize("margin", [0.1, 0.4, 2.0])
def test_p_of_groups_is_that_of_statsmodels(sizes, margin):
    a, b = groups(3, *sizes, spread=2)
    p, _, _ = ttost_ind(a, b, -margin, margin, usevar="unequal")
    assert equivalence_of_groups(a, b, margin).p == pytest.approx(p, rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shift", [-3.0, -0.5, 0.0, 0.5, 3.0])
@pytest.mark.parametrize("margin", [0.1, 0.4, 2.0])
def test_p_of_a_difference_of_pairs_beyond_the_margin_is_that_of_statsmodels(seed, shift, margin):
    a, b = groups(seed, shift=shift)
    ours = equivalence_of_pairs(a, b, margin)
    differences = DescrStatsW(a - b)
    if ours.difference > 0:
        _, p, _ = differences.ttest_mean(margin, alternative="larger")
    else:
        _, p, _ = differences.ttest_mean(-margin, alternative="smaller")
    assert ours.p_different == pytest.approx(p, rel=1e-9)
    assert ours.p_zero == pytest.approx(differences.ttest_mean(0)[1], rel=1e-9)


@pytest.mark.parametrize("sizes", [(12, 12), (5, 30), (30, 5), (2, 2)], ids=str)
@pytest.mark.parametrize("shift", [-3.0, -0.5, 0.5, 3.0])
def test_p_of_a_difference_of_groups_beyond_the_margin_is_that_of_scipy(sizes, shift):
    a, b = groups(4, *sizes, shift=shift, spread=2)
    ours = equivalence_of_groups(a, b, 0.4)
    is_above = ours.difference > 0
    moved, side = (a - 0.4, "greater") if is_above else (a + 0.4, "less")
    p = stats.ttest_ind(moved, b, equal_var=False, alternative=side).pvalue
    assert ours.p_different == pytest.approx(p, rel=1e-9)
    assert ours.p_zero == pytest.approx(stats.ttest_ind(a, b, equal_var=False).pvalue, rel=1e-9)


@pytest.mark.parametrize(
    ("cv", "n", "ratio", "power"), [(0.3, 40, 0.95, 0.815845), (0.25, 28, 0.95, 0.807439)]
)
def test_power_is_the_published_one(cv, n, ratio, power):
    """Of the R package PowerTOST, for crossover trials of n persons on the logarithmic scale."""
    sd = math.sqrt(math.log(1 + cv**2))
    # n persons in a crossover have n - 2 degrees of freedom, as two groups of n / 2 have; the
    # standard error is sd sqrt(2 / n), so that of such groups is reached with sd / sqrt(2).
    ours = equivalence_power(
        math.log(1.25),
        sd / math.sqrt(2),
        n // 2,
        is_paired=False,
        difference=math.log(ratio),
    )
    assert ours == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("is_paired", [True, False])
@pytest.mark.parametrize("n", [2, 3, 10, 200])
@pytest.mark.parametrize("difference", [0.0, 0.3])
def test_power_is_the_integral_over_the_estimated_spread(n, difference, is_paired):
    margin, sd = 0.9, 1.2
    error, df = (sd / math.sqrt(n), n - 1) if is_paired else (sd * math.sqrt(2 / n), 2 * (n - 1))
    t = stats.t.ppf(0.95, df)

    def both_reject(quantile):
        reach = margin - t * error * math.sqrt(stats.chi2.ppf(quantile, df) / df)
        if reach <= 0:
            return 0.0
        normal = stats.norm(difference, error)
        return normal.cdf(reach) - normal.cdf(-reach)

    end = stats.chi2.cdf(df * (margin / (t * error)) ** 2, df)
    expected, _ = integrate.quad(both_reject, 0, end, limit=500)
    ours = equivalence_power(margin, sd, n, is_paired=is_paired, difference=difference)
    assert ours == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("is_paired", [True, False])
def test_needed_n_is_the_smallest_that_is_enough(is_paired):
    for sd in (0.1, 0.5, 1.0, 7.0):
        n = needed_n(0.6, sd, is_paired=is_paired)
        assert equivalence_power(0.6, sd, n, is_paired=is_paired) >= 0.8
        if n > 2:
            assert equivalence_power(0.6, sd, n - 1, is_paired=is_paired) < 0.8


def test_an_n_beyond_all_measure_is_not_given():
    assert needed_n(1e-6, 1.0, is_paired=True) is None


def verdicts(seed, *, difference, n, margin, count, paired=True):
    generator = np.random.default_rng(seed)
    test = equivalence_of_pairs if paired else equivalence_of_groups
    for _ in range(count):
        seeds = generator.normal(size=n) if paired else 0
        a = seeds + generator.normal(difference, 0.3, n)
        b = (seeds if paired else 0) + generator.normal(0, 0.3, n)
        yield test(a, b, margin).verdict


@pytest.mark.parametrize("paired", [True, False], ids=["pairs", "groups"])
def test_a_difference_as_great_as_the_margin_is_called_equivalent_as_rarely_as_alpha(paired):
    count = 1000
    found = verdicts(1, difference=0.4, n=15, margin=0.4, count=count, paired=paired)
    rate = sum(verdict == "equivalent" for verdict in found) / count
    assert rate < 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)
    assert rate > 0.02  # and not never


def test_the_power_that_is_told_is_the_rate_that_is_seen():
    count, n, margin = 1000, 10, 0.4
    found = verdicts(2, difference=0, n=n, margin=margin, count=count)
    rate = sum(verdict == "equivalent" for verdict in found) / count
    told = equivalence_power(margin, 0.3 * math.sqrt(2), n, is_paired=True)
    assert rate == pytest.approx(told, abs=4 * math.sqrt(told * (1 - told) / count))


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.0, 2.0, 3.0, 4.0], [1.01, 1.99, 3.02, 3.98], "equivalent"),
        ([1.0, 2.0, 3.0, 4.0], [3.01, 3.99, 5.02, 5.98], "different"),
        ([1.0, 2.0, 3.0, 4.0], [1.9, 1.1, 3.9, 3.2], "inconclusive"),
        ([1.0, 2.0], [1.0, 2.0], "equivalent"),
        ([1.0, 2.0], [1.5, 2.5], "inconclusive"),  # as far apart as the margin, without any spread
        ([1.0, 2.0], [2.0, 3.0], "different"),
    ],
)
def test_there_are_three_verdicts(a, b, verdict):
    assert equivalence_of_pairs(a, b, 0.5).verdict == verdict


def test_the_interval_lies_within_the_margins_exactly_where_the_verdict_is_equivalent():
    for seed in range(300):
        a, b = groups(seed, n_a=6, n_b=6)
        result = equivalence_of_pairs(a, b, 0.5)
        within = result.low > -0.5 and result.high < 0.5
        assert (result.verdict == "equivalent") == within


def test_the_interval_lies_beyond_a_margin_exactly_where_the_verdict_is_different():
    found = set()
    for seed in range(300):
        a, b = groups(seed, n_a=6, n_b=6, shift=-1 if seed % 2 else 1)
        result = equivalence_of_pairs(a, b, 0.5)
        beyond = result.low > 0.5 or result.high < -0.5
        assert (result.verdict == "different") == beyond
        found.add((result.verdict, result.difference > 0))
    assert {("different", True), ("different", False), ("inconclusive", True)} <= found


def test_a_difference_that_surely_exists_but_is_within_the_margin_is_not_different():
    result = equivalence_of_pairs([1.10, 2.11, 3.09, 4.10], [1, 2, 3, 4], 0.5)
    assert result.p_zero < 0.001
    assert result.p_different > 0.999
    assert result.verdict == "equivalent"


@pytest.mark.parametrize(
    ("difference", "p", "p_different", "p_zero"),
    [(0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 1.0, 0.0), (0.5, 1.0, 1.0, 0.0), (0.75, 1.0, 0.0, 0.0)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_without_any_spread_every_p_is_certain(difference, p, p_different, p_zero, sign):
    a = [1.0 + sign * difference, 2.0 + sign * difference, 3.0 + sign * difference]
    result = equivalence_of_pairs(a, [1.0, 2.0, 3.0], 0.5)
    assert (result.p, result.p_different, result.p_zero) == (p, p_different, p_zero)
    assert result.low == result.high == sign * difference


@pytest.mark.parametrize(
    ("p", "p_different", "verdict"),
    [
        (0.0, 1.0, "equivalent"),
        (0.049, 1.0, "equivalent"),
        (0.05, 1.0, "inconclusive"),  # at the level is not below it
        (0.5, 0.5, "inconclusive"),
        (1.0, 0.05, "inconclusive"),
        (1.0, 0.049, "different"),
    ],
)
def test_corrected_p_values_decide_as_others_do(p, p_different, verdict):
    assert decide(p, p_different, 0.05) == verdict
    assert decide(p / 10, p_different / 10, 0.005) == verdict


def test_by_hand_with_three_pairs():
    """Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = (2 - 4) sqrt(3) on 2 degrees."""
    result = equivalence_of_pairs([2, 4, 6], [1, 2, 3], 4)
    t = 2 * math.sqrt(3)
    by_hand = 0.5 * (
        1 - t / math.sqrt(2 + t * t)
    )  # the t distribution of 2 degrees, in closed form
    assert isinstance(result, Equivalence)
    assert result.difference == 2
    assert result.p == pytest.approx(by_hand, rel=1e-12)
    assert result.p_different == pytest.approx(1 - by_hand, rel=1e-12)
    # No difference: again t = 2 sqrt(3), on both sides.
    assert result.p_zero == pytest.approx(2 * by_hand, rel=1e-12)
    assert result.n == 3


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_holm_is_that_of_statsmodels(size):
    p = np.random.default_rng(size).random(size) ** 3
    expected = multipletests(p, method="holm")[1] if size else []
    np.testing.assert_allclose(holm(p), expected, rtol=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0], [1.0], 1), r"a=\[1.0\]: expected at least 2 values"),
        (([1.0, 2.0], [1.0, math.nan], 1), r"b=\[1.0, nan\]: expected finite values"),
        (([1.0, 2.0], [1.0, 2.0, 3.0], 1), "2 and 3 values: expected pairs"),
        (([1.0, 2.0], [1.0, 2.0], 0), "margin=0: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], math.inf), "margin=inf: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], 1, 0.5), r"alpha=0.5: expected a level in \(0, 0.5\)"),
    ],
    ids=["one value", "nan", "lengths", "margin 0", "margin inf", "alpha"],
)
def test_what_makes_no_sense_is_an_error_that_shows_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        equivalence_of_pairs(*arguments)


@pytest.mark.parametrize("p", [[-0.1], [1.1], [math.nan], [[0.5]]], ids=str)
def test_p_values_that_are_none_are_an_error(p):
    with pytest.raises(ValueError, match="expected numbers in"):
        holm(p)
