"""Whether two groups of unrelated runs, such as seeds of two variants, are equivalent.

Two one-sided tests of the difference of the means. Each has the greatest of the three p values of
`parity.stats`:

- the exact test exchanges runs: if both groups have the same distribution but for a shift by the
  margin, each way to deal the shifted runs into two groups of these sizes is as likely;
- Student's t is Welch's, since the groups may spread differently. A group without a spread leaves
  the skew of the other one, so Welch's t is corrected for it: plain, it calls exponential runs at
  the margin equivalent in 11 to 17 %;
- of n runs in the smaller group, 2^(1-n) is the least p. Beside a group without a spread, the runs
  are n differences from one value, as in pairs.

If there are at most 8,192 ways to deal the runs (7 and 7: 3,432), all are tried. Otherwise a fixed
sample is drawn that includes the way that was observed, so that p stays valid (Phipson and Smyth
2010).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from parity.stats import (
    ALPHA,
    MAX_DRAWN,
    NUM_DRAWN,
    POWER,
    Z_SKEW,
    Equivalence,
    check_limits,
    corrected_t,
    decide,
    least_p,
    moments,
    normal_power,
    skew_error,
    smallest_n,
    standard_errors,
    values_of,
)

NUM_DEALS = 8192  # the error of a p of 0.05 is 0.0024
_ROUNDING = 1e-9  # sums in another order differ by less, relative to their terms


def equivalence_of_groups(
    a: Sequence[float], b: Sequence[float], margin: float, alpha: float = ALPHA
) -> Equivalence:
    """Compares two groups of unrelated runs of any size and spread.

    The interval is that of Welch's t, corrected for skew. It lies within the margins wherever the
    verdict is "equivalent". The power is that for normal runs in two groups of the smaller size.

    Args:
        a: values of the first group, at least 2.
        b: values of the second group, at least 2.
        margin: above 0, in units of the values.
        alpha: in (0, 0.5).

    Raises:
        ValueError: a value is not finite, or an argument is out of range.
    """
    x, y = values_of("a", a), values_of("b", b)
    check_limits(margin, alpha)
    n = min(len(x), len(y))
    # Each is a test that the first group, moved by so much, is below the second.
    below, above = (p_below(side * x - margin, side * y) for side in (1, -1))
    beyond = min(p_below(margin - side * x, -side * y) for side in (1, -1))
    p, difference = max(below, above), float(x.mean() - y.mean())
    _, error, _, _ = _difference(x, y)
    sd = float(error) * math.sqrt(n / 2)  # of a run, if two groups of n have this standard error
    return Equivalence(
        verdict=decide(p, beyond, alpha),
        difference=difference,
        low=0.0 - _upper(-x, -y, alpha),
        high=_upper(x, y, alpha),
        p=p,
        p_different=beyond,
        p_zero=min(1.0, 2 * min(_p_of_deals(x, y), _p_of_deals(y, x))),
        margin=float(margin),
        alpha=alpha,
        n=n,
        power=group_power(margin, sd, n, alpha=alpha),
        n_needed=groups_needed(margin, sd, alpha=alpha),
    )


def p_below(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the p value for a mean of x that is at least y's: a small one shows that it is below.

    Args:
        x: values (n,) of the first group, at least 2.
        y: values (m,) of the second group, at least 2.

    Returns:
        A p value in [2^(1-min(n, m)), 1].
    """
    return max(_p_of_deals(x, y), p_of_welch(x, y), least_p(min(len(x), len(y))))


def p_of_welch(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the p value of Welch's t for a mean of x that is at least y's, corrected for skew.

    Args:
        x: values (n,) of the first group, at least 2.
        y: values (m,) of the second group, at least 2.

    Returns:
        A p value in [0, 1]; without any spread 0 or 1.
    """
    from scipy.special import stdtr

    mean, error, df, skew = _difference(x, y)
    if error == 0:
        return float(mean >= 0)
    return float(stdtr(df, corrected_t(mean / error, skew)))


def group_power(
    margin: float, sd: float, n: int, *, difference: float = 0.0, alpha: float = ALPHA
) -> float:
    """Returns the probability of the verdict "equivalent" for two groups of normal runs.

    See `parity.stats.normal_power`; its error is below 0.01.

    Args:
        margin: above 0.
        sd: standard deviation of the runs of each group.
        n: number of runs in each group, at least 2.
        difference: the true difference.
        alpha: level of each test.
    """
    return normal_power(margin, sd, n, _drawn, num_groups=2, difference=difference, alpha=alpha)


def groups_needed(
    margin: float, sd: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Returns the smallest number of runs in each group with enough power without a difference.

    Returns None if it is above MAX_N.
    """
    return smallest_n(lambda n: group_power(margin, sd, n, alpha=alpha) >= power)


def _p_of_deals(x: np.ndarray, y: np.ndarray) -> float:
    """Returns the share of ways to deal all runs in which the first group has no greater a sum."""
    values = np.concatenate([x, y])
    values = values - values.mean()  # a smaller rounding error
    limit = values[: len(x)].sum() + _ROUNDING * np.abs(values).sum()
    return float(np.mean(_deals(len(x), len(y)) @ values <= limit))


@functools.lru_cache(maxsize=8)
def _deals(n: int, m: int) -> np.ndarray:
    """Returns the ways to deal n + m runs into two groups.

    Returns:
        Array (ways, n + m) of 1 where a run is dealt into the first group, else 0. The first row is
        the way that was observed: the first n.
    """
    total = n + m
    if math.comb(total, n) <= NUM_DEALS:
        chosen = np.array([*itertools.combinations(range(total), n)])
    else:
        chosen = np.random.default_rng(0).random((NUM_DEALS, total)).argsort(axis=1)[:, :n]
        chosen[0] = np.arange(n)
    found = np.zeros((len(chosen), total))
    np.put_along_axis(found, chosen, 1.0, axis=1)
    return found


def _difference(
    x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns what Welch's t needs.

    Args:
        x: array (..., n) of the first group.
        y: array (..., m) of the second group.

    Returns:
        Arrays (...): the difference of the means, its standard error, the degrees of freedom
        (Welch and Satterthwaite), and the upper limit of the skew of the difference, at least 0.
    """
    n, m = x.shape[-1], y.shape[-1]
    (variance_x, skew_x), (variance_y, skew_y) = moments(x), moments(y)
    total = variance_x / n + variance_y / m
    weights = (variance_x / n) ** 2 / (n - 1) + (variance_y / m) ** 2 / (m - 1)
    # Third moments of means are added, with the sign of the group.
    third_x, third_y = variance_x**1.5 / n**2, variance_y**1.5 / m**2
    third = skew_x * third_x - skew_y * third_y
    error = np.hypot(skew_error(n) * third_x, skew_error(m) * third_y)
    has_spread = total > 0
    df = np.where(has_spread, total**2 / np.where(has_spread, weights, 1.0), 1.0)
    limit = (third + Z_SKEW * error) / np.where(has_spread, total, 1.0) ** 1.5
    return x.mean(axis=-1) - y.mean(axis=-1), np.sqrt(total), df, np.maximum(limit, 0.0)


def _upper(x: np.ndarray, y: np.ndarray, alpha: float) -> float:
    """Returns the upper limit of the difference: where the p value of the corrected t is alpha."""
    from scipy.special import stdtrit

    mean, error, df, skew = _difference(x, y)
    return float(mean + standard_errors(float(stdtrit(df, alpha)), skew) * error)


@functools.lru_cache(maxsize=MAX_DRAWN)
def _drawn(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns what `normal_power` needs of two normal groups of n runs."""
    x, y = np.random.default_rng(0).standard_normal((2, NUM_DRAWN, n))
    _, error, df, skew = _difference(x, y)
    return error / math.sqrt(2 / n), df, np.stack([skew, _difference(-x, -y)[3]])
