"""Equivalence tests, their power and the correction for many of them, against other libraries."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW, ttost_ind

from parity.stats import (
    Equivalence,
    decide,
    equivalence_of_groups,
    equivalence_power,
    holm,
    needed_n,
    smallest_n,
)


def groups(seed, n_a=12, n_b=12, shift=0.1, spread=0.5):
    generator = np.random.default_rng(seed)
    a = generator.normal(0.9, 1, n_a)
    b = (a[:n_b] if n_a == n_b else generator.normal(0.9, 1, n_b)) + generator.normal(
        shift, spread, n_b
    )
    return a, b


@pytest.mark.parametrize("sizes", [(12, 12), (5, 30), (30, 5), (2, 2)], ids=str)
@pytest.mark.parametrize("margin", [0.1, 0.4, 2.0])
def test_p_of_groups_is_that_of_statsmodels(sizes, margin):
    a, b = groups(3, *sizes, spread=2)
    p, _, _ = ttost_ind(a, b, -margin, margin, usevar="unequal")
    ours = equivalence_of_groups(a, b, margin)
    assert ours.p == pytest.approx(p, rel=1e-10)
    both = CompareMeans(DescrStatsW(a), DescrStatsW(b))
    interval = both.tconfint_diff(alpha=0.1, usevar="unequal")
    assert (ours.low, ours.high) == pytest.approx(interval, rel=1e-10)


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
        difference=math.log(ratio),
    )
    assert ours == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("n", [2, 3, 10, 200])
@pytest.mark.parametrize("difference", [0.0, 0.3])
def test_power_is_the_integral_over_the_estimated_spread(n, difference):
    margin, sd = 0.9, 1.2
    error, df = sd * math.sqrt(2 / n), 2 * (n - 1)
    t = stats.t.ppf(0.95, df)

    def both_reject(quantile):
        reach = margin - t * error * math.sqrt(stats.chi2.ppf(quantile, df) / df)
        if reach <= 0:
            return 0.0
        normal = stats.norm(difference, error)
        return normal.cdf(reach) - normal.cdf(-reach)

    end = stats.chi2.cdf(df * (margin / (t * error)) ** 2, df)
    expected, _ = integrate.quad(both_reject, 0, end, limit=500)
    ours = equivalence_power(margin, sd, n, difference=difference)
    assert ours == pytest.approx(expected, abs=1e-6)


def test_needed_n_is_the_smallest_that_is_enough():
    for sd in (0.1, 0.5, 1.0, 7.0):
        n = needed_n(0.6, sd)
        assert equivalence_power(0.6, sd, n) >= 0.8
        if n > 2:
            assert equivalence_power(0.6, sd, n - 1) < 0.8


def test_an_n_beyond_all_measure_is_not_given():
    assert needed_n(1e-6, 1.0) is None


@pytest.mark.parametrize("least", [2, 3, 4, 5, 7, 8, 100])
def test_the_smallest_n_is_found_by_halving(least):
    assert smallest_n(lambda n: n >= least) == least


def verdicts(seed, *, difference, n, margin, count):
    generator = np.random.default_rng(seed)
    for _ in range(count):
        a, b = generator.normal(difference, 0.3, n), generator.normal(0, 0.3, n)
        yield equivalence_of_groups(a, b, margin).verdict


def test_a_difference_as_great_as_the_margin_is_called_equivalent_as_rarely_as_alpha():
    count = 1000
    found = verdicts(1, difference=0.4, n=15, margin=0.4, count=count)
    rate = sum(verdict == "equivalent" for verdict in found) / count
    assert rate < 0.05 + 3 * math.sqrt(0.05 * 0.95 / count)
    assert rate > 0.02  # and not never


def test_the_power_that_is_told_is_the_rate_that_is_seen():
    count, n, margin = 1000, 10, 0.4
    found = verdicts(2, difference=0, n=n, margin=margin, count=count)
    rate = sum(verdict == "equivalent" for verdict in found) / count
    told = equivalence_power(margin, 0.3, n)
    assert rate == pytest.approx(told, abs=4 * math.sqrt(told * (1 - told) / count))


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ([1.00, 1.01, 1.02], [1.01, 1.00, 1.03], "equivalent"),
        ([1.00, 1.01, 1.02], [3.01, 3.00, 3.03], "different"),
        ([1.0, 2.0, 3.0], [1.9, 1.1, 3.2], "inconclusive"),
    ],
)
def test_there_are_three_verdicts(a, b, verdict):
    assert equivalence_of_groups(a, b, 0.5).verdict == verdict


@pytest.mark.parametrize("shift", [0.0, -1.0, 1.0])
def test_the_interval_is_within_the_margins_or_beyond_one_exactly_as_the_verdict_says(shift):
    found = set()
    for seed in range(200):
        a, b = groups(seed, n_a=6, n_b=5, shift=shift, spread=0.1)
        result = equivalence_of_groups(a / 5, b / 5, 0.5)
        within = result.low > -0.5 and result.high < 0.5
        beyond = result.low > 0.5 or result.high < -0.5
        assert (result.verdict == "equivalent") == within
        assert (result.verdict == "different") == beyond
        found.add(result.verdict)
    assert len(found) > 1


@pytest.mark.parametrize(
    ("difference", "p", "p_different", "p_zero"),
    [(0.0, 0.0, 1.0, 1.0), (0.25, 0.0, 1.0, 0.0), (0.5, 1.0, 1.0, 0.0), (0.75, 1.0, 0.0, 0.0)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_groups_without_any_spread_are_as_far_apart_as_they_are(
    difference, p, p_different, p_zero, sign
):
    result = equivalence_of_groups([1.0 + sign * difference] * 3, [1.0] * 4, 0.5)
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


def test_by_hand_with_two_runs_each():
    """Means 4 and 2, variances 2: standard error sqrt(2), t = (2 - 4) / sqrt(2), 2 degrees."""
    result = equivalence_of_groups([3, 5], [1, 3], 4)
    t = math.sqrt(2)
    by_hand = 0.5 * (1 - t / math.sqrt(2 + t * t))  # the t distribution of 2 degrees
    assert isinstance(result, Equivalence)
    assert result.difference == 2
    assert result.p == pytest.approx(by_hand, rel=1e-12)
    assert result.p_different == pytest.approx(1 - by_hand, rel=1e-12)
    # No difference: again t = sqrt(2), on both sides.
    assert result.p_zero == pytest.approx(2 * by_hand, rel=1e-12)
    assert result.n == 2


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
        (([1.0, 2.0], [1.0, 2.0], 0), "margin=0: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], math.inf), "margin=inf: expected a number above 0"),
        (([1.0, 2.0], [1.0, 2.0], 1, 0.5), r"alpha=0.5: expected a level in \(0, 0.5\)"),
    ],
    ids=["one value", "nan", "margin 0", "margin inf", "alpha"],
)
def test_what_makes_no_sense_is_an_error_that_shows_it(arguments, message):
    with pytest.raises(ValueError, match=message):
        equivalence_of_groups(*arguments)


@pytest.mark.parametrize("p", [[-0.1], [1.1], [math.nan], [[0.5]]], ids=str)
def test_p_values_that_are_none_are_an_error(p):
    with pytest.raises(ValueError, match="expected numbers in"):
        holm(p)
