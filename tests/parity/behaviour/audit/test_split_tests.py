"""Tests of classes, accuracies and pixels against scipy, statsmodels and least squares."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable

from parity.behaviour.audit.split_tests import (
    accuracy_test,
    class_balance,
    homogeneity,
    pixel_tests,
)
from parity.stats import holm


def labels(*counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_classes_by_hand():
    balance = class_balance(labels(60, 20, 20, 0), labels(5, 5, 0, 10), labels(0, 1), 5)
    counts = (balance.train, balance.val, balance.test)
    assert counts == ((60, 20, 20, 0, 0), (5, 5, 0, 10, 0), (0, 1, 0, 0, 0))
    assert (balance.missing_in_train, balance.missing_in_val) == ((3, 4), (2, 4))
    assert (balance.ratio, balance.constant_accuracy) == (3, 0.25)
    # 0.6 0.2 0.2 0 against 0.25 0.25 0 0.5: 0.35 + 0.2 too few, 0.05 + 0.5 too many.
    assert balance.total_variation == pytest.approx(0.55)


def test_classes_that_should_be_even_are_tested_as_scipy_does():
    balance = class_balance(labels(60, 20, 0, 40), labels(1), labels(1), 4)
    assert balance.p_uneven == pytest.approx(stats.chisquare([60, 20, 40]).pvalue)


@pytest.mark.parametrize("train", [(3,), (2, 3), (1, 1, 7)], ids=str)
def test_few_images_or_one_class_are_not_uneven(train):
    assert class_balance(labels(*train), labels(1), labels(1), 3).p_uneven == 1


@pytest.mark.parametrize(
    ("a", "b", "tested"),
    [
        ([100, 220, 90, 300], [40, 61, 37, 80], [[100, 220, 90, 300], [40, 61, 37, 80]]),
        # 110 of 485 are in b: of the last three 7.7, 6.1 and 5.2 are expected there, enough.
        ([100, 200, 30, 25, 20], [40, 61, 4, 2, 3], [[100, 200, 30, 25, 20], [40, 61, 4, 2, 3]]),
        # Here 110 of 452: the last two are expected 3.4 and 4.4 times and count as one.
        ([100, 200, 30, 12, 15], [40, 61, 4, 2, 3], [[100, 200, 30, 27], [40, 61, 4, 5]]),
    ],
    ids=["frequent", "just enough", "rare"],
)
def test_homogeneity_is_that_of_scipy_with_rare_classes_as_one(a, b, tested):
    expected = stats.chi2_contingency(tested, correction=False).pvalue
    assert homogeneity(np.array(a), np.array(b)) == pytest.approx(expected, rel=1e-12)


def test_one_image_of_a_rare_class_is_no_difference():
    assert homogeneity(np.array([5000, 5000, 0]), np.array([500, 500, 1])) > 0.9
    assert homogeneity(np.array([1, 0]), np.array([0, 1])) == 1


def guesses(seed, counts, rates):
    generator = np.random.default_rng(seed)
    y = labels(*counts)
    return generator.random(len(y)) < np.array(rates)[y], y


def test_accuracies_are_compared_by_the_test_of_mantel_and_haenszel():
    right_a, y_a = guesses(1, (40, 10, 25), (0.8, 0.5, 0.9))
    right_b, y_b = guesses(2, (100, 90, 5), (0.85, 0.6, 0.9))
    found = accuracy_test(right_a, y_a, right_b, y_b)
    tables = [
        np.array([[sum(x[y == c]), sum(~x[y == c])] for x, y in ((right_a, y_a), (right_b, y_b))])
        for c in range(3)
    ]
    two_sided = StratifiedTable(tables).test_null_odds(correction=False).pvalue
    assert min(found.p_lower, 1 - found.p_lower) == pytest.approx(two_sided / 2, rel=1e-9)
    weighted = sum(
        share * right_b[y_b == c].mean() for c, share in enumerate((40 / 75, 10 / 75, 25 / 75))
    )
    assert (found.first, found.second) == (right_a.mean(), pytest.approx(weighted))


def test_a_lower_first_accuracy_has_a_low_p_value():
    right_a, y_a = guesses(1, (100, 100), (0.5, 0.5))
    right_b, y_b = guesses(2, (100, 100), (0.9, 0.9))
    assert accuracy_test(right_a, y_a, right_b, y_b).p_lower < 1e-9
    assert accuracy_test(right_b, y_b, right_a, y_a).p_lower > 1 - 1e-9


def test_groups_without_a_common_class_are_not_compared():
    yes, none = np.array([True]), np.empty(0, np.int64)
    assert accuracy_test(yes, np.array([0]), yes, np.array([1])) is None
    assert accuracy_test(yes, np.array([0]), none.astype(bool), none) is None
    assert accuracy_test(yes, np.array([0]), yes, np.array([0])).p_lower == 0.5


def pictures(seed, counts, *, shape=(6, 5, 1), gain=1.0):
    y = labels(*counts)
    noise = np.random.default_rng(seed).random((len(y), *shape))
    return (gain * (0.05 * y[:, None, None, None] + 0.7 * noise)).astype(np.float32), y


def statistic(name, images):
    images = images.astype(np.float64)
    if name == "mean":
        return images.mean(axis=(1, 2, 3))
    if name == "contrast":
        return images.std(axis=(1, 2, 3))
    if name == "roughness":
        return np.array(
            [
                np.concatenate([abs(np.diff(x, axis=0)).ravel(), abs(np.diff(x, axis=1)).ravel()])
                for x in images
            ]
        ).mean(axis=1)
    return images[..., int(name[-1])].mean(axis=(1, 2))


@pytest.mark.parametrize("shape", [(6, 5, 1), (4, 4, 3)], ids=["grey", "colour"])
def test_pixels_of_one_class_are_compared_by_a_t_test(shape):
    x, y = pictures(1, (40,), shape=shape)
    other, y_other = pictures(2, (15,), shape=shape, gain=0.9)
    found = pixel_tests(x, y, other, y_other)
    names = ["mean", "contrast", "roughness"]
    names += [f"mean of channel {channel}" for channel in range(3)] if shape[2] == 3 else []
    assert [test.name for test in found] == names
    p = []
    for test in found:
        a, b = statistic(test.name, x), statistic(test.name, other)
        assert (test.train, test.val) == pytest.approx((a.mean(), b.mean()))
        pooled = np.sqrt((39 * a.var(ddof=1) + 14 * b.var(ddof=1)) / 53)
        assert test.effect == pytest.approx((b.mean() - a.mean()) / pooled)
        p.append(stats.ttest_ind(a, b).pvalue)
    assert [test.p for test in found] == pytest.approx(holm(p))


def test_the_weaker_of_two_differences_counts_of_all_images_and_within_classes():
    """Within classes by least squares, with a coefficient for each class and part."""
    x, y = pictures(1, (10, 50, 40))
    other, y_other = pictures(2, (40, 20, 10), gain=0.95)
    found = pixel_tests(x, y, other, y_other)
    cells = np.eye(6)[np.concatenate([y, 3 + y_other])]
    weights = np.array([40, 20, 10]) / 70
    effects, p = [], []
    for test in found:
        a, b = statistic(test.name, x), statistic(test.name, other)
        fit = sm.OLS(np.concatenate([a, b]), cells).fit()
        within = fit.t_test(np.concatenate([-weights, weights]))
        overall = sm.OLS(np.concatenate([b, a]), np.eye(2)[np.repeat([0, 1], [70, 100])]).fit()
        overall_effect = (b.mean() - a.mean()) / overall.scale**0.5
        effects.append(min(float(within.effect[0]) / fit.scale**0.5, overall_effect, key=abs))
        p.append(max(float(within.pvalue), stats.ttest_ind(a, b).pvalue))
    assert [test.effect for test in found] == pytest.approx(effects)
    assert [test.p for test in found] == pytest.approx(holm(p))


def test_images_of_one_colour_differ_by_grey_levels():
    """Without any spread, a difference of 51 grey levels counts as 51 standard deviations."""
    y = np.zeros(5, np.int64)
    dark, light = (np.full((5, 3, 3, 1), value / 255, np.float32) for value in (102, 153))
    mean, contrast, roughness = pixel_tests(dark, y, light, y)
    assert mean.effect == pytest.approx(51, rel=1e-5)
    assert mean.p < 1e-9
    assert (contrast.effect, roughness.effect) == pytest.approx((0, 0), abs=1e-3)


@pytest.mark.parametrize(
    ("y", "y_other"), [([0], [0]), ([0], [1]), ([0, 1], [2]), ([0, 1, 2], [0, 1])], ids=str
)
def test_a_handful_of_images_is_no_alarm(y, y_other):
    generator = np.random.default_rng(0)
    x, other = (generator.random((len(part), 1, 1, 3), dtype=np.float32) for part in (y, y_other))
    found = pixel_tests(x, np.array(y), other, np.array(y_other))
    assert all(0.001 < test.p <= 1 for test in found)
