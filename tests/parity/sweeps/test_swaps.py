"""The exact test: every choice of seeds whose halves are swapped, by hand and by scipy."""

import itertools

import numpy as np
import pytest
from rows import each_row
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from parity.sweeps.pairs import (
    NUM_SWAPS,
    p_of_sums,
    p_of_swapped_counts,
    p_of_swapped_means,
    step_down,
    swapped_sums,
)


@each_row("num_seeds", [1, 2, 5, 13])
def test_few_seeds_have_every_choice_once_and_what_was_observed_first(num_seeds):
    found = swapped_sums(np.eye(num_seeds))
    assert sorted(map(tuple, found)) == sorted(itertools.product([-1, 1], repeat=num_seeds))
    assert (found[0] == 1).all()


def test_many_seeds_have_a_sample_that_is_the_same_each_time_and_holds_what_was_observed():
    # Of the same seed in every version: a sweep has one result.
    bits = np.random.default_rng(0).integers(0, 2, (2**13, 14))
    bits[0] = 0
    np.testing.assert_array_equal(swapped_sums(np.eye(14)), 1 - 2 * bits)


@each_row("n", [2, 3, 5, 8])
@each_row("shift", [-1.0, 0.0, 0.5])
def test_p_is_that_of_scipy(n, shift):
    x = np.random.default_rng(n).normal(shift, 1, n)
    expected = stats.permutation_test(
        (x,),
        np.sum,
        permutation_type="samples",
        alternative="less",
        n_resamples=np.inf,
    ).pvalue
    assert p_of_sums(x) == pytest.approx(expected, rel=1e-12)


@each_row(
    ("x", "p"),
    [
        # Pairs that all point one way.
        *((np.full(n, -0.25), 2.0**-n) for n in (2, 3, 6, 10)),
        *((-np.arange(1.0, n + 1), 2.0**-n) for n in (2, 3, 6, 10)),
        *((np.arange(1.0, n + 1), 1) for n in (2, 3, 6, 10)),
        # Of 8 choices, the observed sum and its mirror are equal, though 0.1 + 0.2 - 0.3 is not 0.
        (np.array([1.0, 2.0, -3.0]), 5 / 8),
        (np.array([0.1, 0.2, -0.3]), 5 / 8),
    ],
)
def test_p_by_hand(x, p):
    assert p_of_sums(x) == p


def test_more_seeds_than_are_enumerated_have_a_p_close_to_that_of_the_sign_test():
    x = np.array([-1.0] * 15 + [1.0] * 5)
    expected = stats.binomtest(5, 20, alternative="less").pvalue
    assert p_of_sums(x) == pytest.approx(expected, abs=4 * np.sqrt(expected / NUM_SWAPS))
    assert p_of_sums(np.full(40, -1.0)) == 1 / NUM_SWAPS


def test_rows_are_tested_each_on_its_own():
    """Of whatever shape, and where there are more than are computed at a time."""
    for shape in ((3, 4, 6), (1100, 4)):
        x = np.random.default_rng(0).normal(size=shape)
        np.testing.assert_array_equal(p_of_sums(x), np.apply_along_axis(p_of_sums, -1, x))


@each_row(("first", "second"), [(0, 5), (7, 1), (3, 3), (1, 0)])
def test_counts_have_the_p_of_mcnemar(first, second):
    d = np.array([1] * first + [-1] * second + [0] * 3, float)[:, None]
    expected = mcnemar([[0, first], [second, 0]], exact=True).pvalue
    assert p_of_swapped_counts(d)[0, 0] == pytest.approx(expected, rel=1e-12)


def test_swapped_counts_are_those_of_the_swapped_halves():
    d = np.array([[1.0], [1.0], [-1.0]])
    # Sums of the 8 choices: 3 or -3 twice (p 1/4), 1 or -1 six times (p 1).
    assert sorted(p_of_swapped_counts(d)[:, 0]) == pytest.approx([0.25] * 2 + [1] * 6)


def test_swapped_means_have_the_p_of_student_for_each_choice():
    d = np.random.default_rng(1).normal(0.3, 1, (5, 2))
    d[3, 1] = np.nan  # a seed that the second test lacks
    found = p_of_swapped_means(d, None)
    for row, choice in zip(found, swapped_sums(np.eye(5))[..., None], strict=True):
        expected = stats.ttest_1samp(d * choice, 0, nan_policy="omit").pvalue
        assert row == pytest.approx(np.asarray(expected), rel=1e-9)


def test_swapped_means_beyond_a_margin_count_on_either_side():
    d = np.random.default_rng(2).normal(0.3, 1, (4, 2))
    margins = np.array([0.5, 2.0])
    found = p_of_swapped_means(d, margins)
    for row, choice in zip(found, swapped_sums(np.eye(4))[..., None], strict=True):
        sides = [
            stats.ttest_1samp(choice * (side * d - margins), 0, alternative="greater").pvalue
            for side in (1, -1)
        ]
        assert row == pytest.approx(np.minimum(*sides), rel=1e-9)


def test_means_without_a_spread_are_surely_different_or_not_different_at_all():
    found = p_of_swapped_means(np.array([[0.25, 0.0]] * 3), None)
    assert found[0].tolist() == [0.0, 1.0]
    # Only the choice that swaps all is as extreme: p is 2 of 8, not 0.
    assert step_down(found).tolist() == [0.25, 1.0]
    # Nor does the rounding of their sum give them one.
    assert p_of_swapped_means(np.full((6, 1), 0.1), None)[0].tolist() == [0.0]


def nearly(by):
    """A second choice is as extreme as the first one, but for rounding or more."""
    return [[0.3], [0.3 * (1 + by)], [0.2]]


@each_row(
    ("p", "expected"),
    [
        (nearly(1e-9), [1.0]),
        (nearly(-1e-9), [1.0]),
        (nearly(1e-6), [2 / 3]),
        # The least p of both tests is 0.01, 0.30, 0.04, 0.02 over the choices. Second test: 1 of 4
        # as extreme. First: of its own, 2 of 4 are at most 0.30.
        ([[0.30, 0.01], [0.40, 0.30], [0.04, 0.90], [0.50, 0.02]], [0.5, 0.25]),
        # A test cannot be surer than one that is more extreme.
        ([[0.10, 0.20], [0.05, 0.90], [0.05, 0.90], [0.90, 0.95]], [0.75, 0.75]),
    ],
)
def test_corrected_p_values_by_hand(p, expected):
    assert step_down(np.array(p)).tolist() == expected


def test_false_alarms_in_any_of_many_dependent_tests_are_one_in_twenty_and_not_much_fewer():
    """Holm, which does not know that the tests depend on each other, alarms more rarely."""
    generator, rounds = np.random.default_rng(3), 300
    d = generator.normal(size=(rounds, 8, 1)) + 0.3 * generator.normal(size=(rounds, 8, 12))
    alarms = [step_down(p_of_swapped_means(each, None)).min() < 0.05 for each in d]
    assert 0.02 < np.mean(alarms) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
