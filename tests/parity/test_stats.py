"""What all tests of equivalence share: skew, power, decisions, corrections for many tests."""

import math

import numpy as np
import pytest
from rows import each_row
from scipy import integrate, stats
from statsmodels.stats.multitest import multipletests

from parity.stats import (
    chance_within,
    corrected_t,
    decide,
    holm,
    least_p,
    moments,
    power_of_limit,
    skew_error,
    smallest_n,
    standard_errors,
)


@each_row(("cv", "n", "ratio", "power"), [(0.3, 40, 0.95, 0.815845), (0.25, 28, 0.95, 0.807439)])
def test_power_is_the_published_one(cv, n, ratio, power):
    """Of the R package PowerTOST, for crossover trials of n persons on the logarithmic scale."""
    sd, df = math.sqrt(math.log(1 + cv**2)), n - 2
    ours = power_of_limit(
        math.log(1.25), sd * math.sqrt(2 / n), df, stats.t.ppf(0.95, df), math.log(ratio)
    )
    assert ours == pytest.approx(power, abs=1e-6)


@each_row("df", [1, 2, 18, 398])
@each_row("difference", [0.0, 0.3])
@each_row("limit", [1.7, 2.5])
def test_power_is_the_integral_over_the_estimated_spread(df, difference, limit):
    margin, error = 0.9, 0.4

    def both_reject(quantile):
        reach = margin - limit * error * math.sqrt(stats.chi2.ppf(quantile, df) / df)
        if reach <= 0:
            return 0.0
        normal = stats.norm(difference, error)
        return normal.cdf(reach) - normal.cdf(-reach)

    end = stats.chi2.cdf(df * (margin / (limit * error)) ** 2, df)
    expected, _ = integrate.quad(both_reject, 0, end, limit=500)
    assert power_of_limit(margin, error, df, limit, difference) == pytest.approx(expected, abs=1e-6)


def test_the_chance_to_stay_away_from_both_margins_is_the_mean_over_what_was_drawn():
    high, low = np.array([1.0, 2.0, 99.0]), np.array([0.5, 2.5, 1.0])
    # The estimate of a true 0.2, with a standard error of 0.5, has to lie within -1.5 + 0.5 low and
    # 1.5 - 0.5 high: -1.25 to 1.0, -0.25 to 0.5, and for the third sample nowhere.
    normal = stats.norm(0.2, 0.5)
    expected = (normal.cdf(1.0) - normal.cdf(-1.25) + normal.cdf(0.5) - normal.cdf(-0.25)) / 3
    assert chance_within(1.5, 0.5, 0.2, high, low) == pytest.approx(expected, rel=1e-12)


@each_row("n", [3, 6, 20])
def test_moments_are_those_of_numpy_and_scipy(n):
    x = np.random.default_rng(n).gamma(2, size=(4, n))
    variance, skew = moments(x)
    np.testing.assert_allclose(variance, x.var(axis=1, ddof=1))
    np.testing.assert_allclose(skew, stats.skew(x, axis=1, bias=False))


def test_two_values_show_no_skew_and_rounding_is_no_spread():
    assert moments(np.array([1.0, 4.0])) == (pytest.approx(4.5), 0)
    x = np.array([0.1 + 0.2, 0.3, 0.3])
    assert x.std() > 0
    assert moments(x) == (0, 0)


@each_row("n", [4, 6, 12, 50])
def test_the_error_of_the_skew_is_that_of_normal_values(n):
    skews = stats.skew(np.random.default_rng(n).standard_normal((40_000, n)), axis=1, bias=False)
    assert skew_error(n) == pytest.approx(skews.std(), rel=0.03)
    assert skew_error(2) == skew_error(3)


def test_correction_for_skew_by_hand():
    assert corrected_t(np.array(-3.0), np.array(0.6)) == pytest.approx(
        -3 + 0.2 * 9 + 0.04 / 3 * -27 + 0.1
    )
    assert corrected_t(np.array(-3.0), np.array(0.0)) == -3


@each_row("skew", [0.0, 1e-6, 0.2, 1.5])
def test_the_distance_from_0_is_the_inverse_of_the_correction(skew):
    quantile = -1.9
    distance = standard_errors(quantile, np.array(skew))
    assert corrected_t(-distance, np.array(skew)) == pytest.approx(quantile, rel=1e-6)


def test_the_least_p_is_that_of_an_exact_test_of_both_sides():
    assert [least_p(n) for n in (1, 2, 5, 6)] == [1, 0.5, 1 / 16, 1 / 32]


@each_row("least", [2, 3, 4, 5, 7, 8, 100])
def test_the_smallest_n_is_found_by_halving(least):
    assert smallest_n(lambda n: n >= least) == least


def test_an_n_beyond_all_measure_is_not_given():
    assert smallest_n(lambda n: False) is None


@each_row(
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


@each_row("size", [0, 1, 2, 7])
def test_holm_is_that_of_statsmodels(size):
    p = np.random.default_rng(size).random(size) ** 3
    expected = multipletests(p, method="holm")[1] if size else []
    np.testing.assert_allclose(holm(p), expected, rtol=1e-12)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@each_row("p", [[-0.1], [1.1], [math.nan], [[0.5]]], ids=str)
def test_p_values_that_are_none_are_an_error(p):
    with pytest.raises(ValueError, match="expected numbers in"):
        holm(p)
