"""Whether two groups of runs are equivalent, and how certain that is.

A test for a difference that finds none proves nothing, because it may have had too few runs.
Equivalence is shown by two one-sided tests (TOST; Schuirmann 1987): one shows that the true
difference is above the lower margin, the other that it is below the upper one. With a margin fixed
beforehand, there are three answers: equivalent, different (the difference lies beyond the margin),
or inconclusive, with the number of runs that would be needed.

The power of the procedure is exact for normal differences whose spread is estimated from the same
runs (Phillips 1990): an integral over the distribution of the estimated standard deviation.

`parity.sweeps.pairs` tests runs that form pairs.

The distributions come from scipy.special. They are the same to the bit as those of scipy.stats, but
load sooner and are many times as fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

ALPHA = 0.05  # of each of the two tests
POWER = 0.8  # required power, if the groups do not differ at all
MAX_N = 10**6
# Gauss-Legendre nodes: the integrand of the power is smooth, and 200 nodes give it to 1e-9.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)

Verdict = Literal["equivalent", "different", "inconclusive"]


@dataclass(frozen=True)
class Equivalence:
    """The outcome of the two tests.

    Attributes:
        verdict: "equivalent" if p is below alpha; "different" if p_different is below alpha, so
            that the whole interval lies beyond a margin; otherwise "inconclusive".
        difference: mean of the first group minus mean of the second.
        low, high: interval of the true difference with confidence 1 - 2 alpha. It lies within the
            margins if the verdict is "equivalent".
        p: the greater of the two p values.
        p_different: p value for a true difference beyond a margin.
        p_zero: p value for no difference at all, two-sided.
        margin: limit up to which groups count as equivalent.
        alpha: level of each test.
        n: number of pairs, or of runs in the smaller group.
        power: probability of "equivalent" with this n and spread if there is no difference.
        n_needed: smallest n with a `power` of at least POWER; None if it is above MAX_N.
    """

    verdict: Verdict
    difference: float
    low: float
    high: float
    p: float
    p_different: float
    p_zero: float
    margin: float
    alpha: float
    n: int
    power: float
    n_needed: int | None


def equivalence_of_groups(
    a: Sequence[float], b: Sequence[float], margin: float, alpha: float = ALPHA
) -> Equivalence:
    """Compares two groups of unrelated runs of any size and spread (Welch).

    Args:
        a: values of the first group, at least 2.
        b: values of the second group, at least 2.
        margin: above 0, in units of the values.
        alpha: in (0, 0.5).

    Raises:
        ValueError: a value is not finite, or an argument is out of range.
    """
    x, y = values_of("a", a), values_of("b", b)
    parts = [float(np.var(group, ddof=1)) / len(group) for group in (x, y)]
    total = sum(parts)
    weights = [part**2 / (len(group) - 1) for part, group in zip(parts, (x, y), strict=True)]
    df = total**2 / sum(weights) if sum(weights) > 0 else len(x) + len(y) - 2
    n, difference, error = min(len(x), len(y)), float(x.mean() - y.mean()), math.sqrt(total)
    sd = error * math.sqrt(n / 2)  # of a run, if two groups of n have this standard error
    check_limits(margin, alpha)
    if error > 0:
        from scipy.special import stdtr, stdtrit  # Student's distribution, and its quantiles

        above_low = stdtr(df, -(difference + margin) / error)
        below_high = stdtr(df, (difference - margin) / error)
        p = float(max(above_low, below_high))
        p_different = float(stdtr(df, -(abs(difference) - margin) / error))
        p_zero = float(2 * stdtr(df, -abs(difference) / error))
        half = float(stdtrit(df, 1 - alpha)) * error
    else:  # the runs of each group are equal
        p, half = float(abs(difference) >= margin), 0.0
        p_different, p_zero = float(abs(difference) <= margin), float(difference == 0)
    return Equivalence(
        verdict=decide(p, p_different, alpha),
        difference=difference,
        low=difference - half,
        high=difference + half,
        p=p,
        p_different=p_different,
        p_zero=p_zero,
        margin=float(margin),
        alpha=alpha,
        n=n,
        power=equivalence_power(margin, sd, n, alpha=alpha),
        n_needed=needed_n(margin, sd, alpha=alpha),
    )


def decide(p: float, p_different: float, alpha: float) -> Verdict:
    """Returns the verdict for two p values, which may be corrected ones."""
    if p < alpha:
        return "equivalent"
    return "different" if p_different < alpha else "inconclusive"


def equivalence_power(
    margin: float, sd: float, n: int, *, difference: float = 0.0, alpha: float = ALPHA
) -> float:
    """Returns the probability of the verdict "equivalent" for two groups of normal runs.

    Args:
        margin: above 0.
        sd: standard deviation of the runs of each group.
        n: number of runs in each group, at least 2.
        difference: the true difference.
        alpha: level of each test.
    """
    from scipy.special import stdtrit

    if sd == 0:
        return float(abs(difference) < margin)
    df = 2 * (n - 1)
    limit = float(stdtrit(df, 1 - alpha))
    return power_of_limit(margin, sd * math.sqrt(2 / n), df, limit, difference)


def needed_n(margin: float, sd: float, *, alpha: float = ALPHA, power: float = POWER) -> int | None:
    """Returns the smallest number of runs in each group with enough power without a difference.

    Returns None if it is above MAX_N.
    """
    return smallest_n(lambda n: equivalence_power(margin, sd, n, alpha=alpha) >= power)


def smallest_n(is_enough: Callable[[int], bool]) -> int | None:
    """Returns the smallest n from 2 on that is enough; None if it is above MAX_N.

    Args:
        is_enough: whether n is enough; so is every greater number.
    """
    high = 2
    while not is_enough(high):
        high *= 2
        if high > MAX_N:
            return None
    low = high // 2  # not enough, or 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high


def power_of_limit(
    margin: float, error: float, df: float, limit: float, difference: float = 0.0
) -> float:
    """Returns the probability that an estimate is within margin - limit × its standard error of 0.

    It is the integral over the estimated standard error, whose square has the chi-squared
    distribution (Phillips 1990).

    Args:
        margin: above 0.
        error: true standard error of the estimate, above 0.
        df: degrees of freedom of the estimated standard error, above 0.
        limit: standard errors that the estimate has to stay away from the margin, above 0.
        difference: true value of what is estimated.
    """
    from scipy.special import gammaincinv, gammaln, ndtr, xlogy

    # Let s be the estimated standard error in units of its true value. Beyond the limit no estimate
    # is small enough; below it, the bulk of the distribution of s.
    bulk_low, bulk_high = np.sqrt(2 * gammaincinv(df / 2, [1e-13, 1 - 1e-13]) / df)
    high = min(margin / (limit * error), bulk_high)
    low = min(bulk_low, high)
    s = low + (high - low) * (_NODES + 1) / 2
    reach = margin - limit * s * error
    both = ndtr((reach - difference) / error) - ndtr((-reach - difference) / error)
    x = df * s**2  # of the chi-squared distribution
    log_density = xlogy(df / 2 - 1, x) - x / 2 - gammaln(df / 2) - math.log(2) * df / 2
    density = 2 * df * s * np.exp(log_density)
    return float(np.clip((high - low) / 2 * np.sum(_WEIGHTS * both * density), 0, 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Corrects p values so that any false alarm in several tests is as rare as in one (Holm).

    Args:
        p_values: in [0, 1].

    Returns:
        The corrected values, in the same order.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p_values={list(p_values)!r}: expected numbers in [0, 1]")
    order = np.argsort(p, kind="stable")
    corrected = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    result = np.empty_like(p)
    result[order] = np.minimum(corrected, 1)
    return [float(value) for value in result]


def check_limits(margin: float, alpha: float) -> None:
    """Raises a ValueError if the margin or the level of a test is out of range."""
    if not (isinstance(margin, int | float) and math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin={margin!r}: expected a number above 0")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha={alpha!r}: expected a level in (0, 0.5)")


def values_of(name: str, values: Sequence[float]) -> np.ndarray:
    """Returns the values of a group, at least 2, as an array (n,) of float64.

    Raises:
        ValueError: there are fewer than 2, or one is not finite; the message has the name.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(f"{name}={values!r}: expected at least 2 values")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}={values!r}: expected finite values")
    return array
