"""Whether two groups of runs are equivalent, and how certain that is: what all tests share.

A test for a difference that finds none proves nothing, because it may have had too few runs.
Equivalence is shown by two one-sided tests (TOST; Schuirmann 1987): one shows that the true
difference is above the lower margin, the other that it is below the upper one. With a margin fixed
beforehand, there are three answers: equivalent, different (the difference lies beyond the margin),
or inconclusive, with the number of runs that would be needed.

`parity.sweeps.pairs` tests runs that form pairs, `parity.sweeps.groups` runs that do not. Each of
their tests has the greatest of three p values:

- that of an exact test, which counts exchanges of the runs of the two groups. It assumes no normal
  distribution and has no p = 0 where the runs have no spread;
- that of Student's t, corrected for skew. With a long tail on one side, the mean and the spread of
  few runs are often both too small, and plain t calls a difference exactly at the margin equivalent
  in 11 to 16 % instead of 5 %. Hall's transformation (1992) corrects t by the skew of the runs. Few
  runs do not show their skew, so its upper limit counts: the estimate and 1.645 standard errors;
- 2^(1-n), the least two-sided p of n pairs. Fewer than six runs therefore decide nothing at 5 %.

The power for normal runs whose spread is estimated from the same runs is an integral over the
distribution of the estimated standard error (Phillips 1990).

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
Z_SKEW = 1.645  # upper 95 % limit of the skew; benchmarks/accuracy/sweep_statistics.py
NUM_DRAWN, MAX_DRAWN = 2000, 256  # samples for a power; runs of a group up to which they are drawn
_NO_SPREAD = 1e-12  # a spread below this share of the values is rounding
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

    @property
    def has_enough(self) -> bool:
        """Whether a port without a difference would need no more runs."""
        return self.n_needed is not None and self.n_needed <= self.n


def least_p(n: int) -> float:
    """Returns the least p value that n runs can have: that of n pairs which all point one way."""
    return min(1.0, 2.0 ** (1 - n))


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the variance and the skew of n values, both freed from bias.

    Args:
        x: array (..., n), n at least 2.

    Returns:
        Arrays (...): the variance, 0 if it is rounding, and the skew (Joanes, Gill 1998), 0 for two
        values and without a spread.
    """
    n = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    squares = centred**2
    variance = np.mean(squares, axis=-1)
    size = np.abs(x).max(axis=-1)
    variance = np.where(variance > (_NO_SPREAD * size) ** 2, variance, 0.0)
    third = np.mean(squares * centred, axis=-1)  # a power of 3 takes NumPy ten times as long
    skew = np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)
    unbiased = math.sqrt(n * (n - 1)) / (n - 2) if n > 2 else 0.0
    return variance * n / (n - 1), skew * unbiased


def skew_error(n: int) -> float:
    """Returns the standard error of the skew of n normal values; that of 3 if there are only 2."""
    n = max(n, 3)
    return math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))


def corrected_t(t: np.ndarray, skew: np.ndarray) -> np.ndarray:
    """Returns t, corrected for the skew of the estimate.

    Hall, P. (1992): On the removal of skewness by transformation, J. R. Statist. Soc. B 54, 221.

    Args:
        t: array (...): the estimate divided by its standard error.
        skew: array (...): skew of the distribution of the estimate; that of a mean of n values is
            theirs divided by sqrt(n).
    """
    return np.asarray(t + skew / 3 * t**2 + skew**2 / 27 * t**3 + skew / 6)


def standard_errors(quantile: np.ndarray | float, skew: np.ndarray) -> np.ndarray:
    """Returns how many standard errors below 0 an estimate has this corrected t.

    Args:
        quantile: array (...) or a number: a quantile of Student's t, below 0.
        skew: array (...), at least 0; see `corrected_t`.
    """
    a = np.maximum(skew, 1e-9) / 3
    return np.asarray((1 - np.cbrt(1 + 3 * a * (quantile - skew / 6))) / a)


def chance_within(
    margin: float, error: float, difference: float, high: np.ndarray, low: np.ndarray
) -> float:
    """Returns the probability that a normal estimate stays away from both margins.

    Args:
        margin: above 0.
        error: true standard error of the estimate, above 0.
        difference: true value of what is estimated.
        high: array (samples,): true standard errors that it has to stay below the upper margin;
            drawn values, which do not depend on the estimate.
        low: the same above the lower margin.
    """
    from scipy.special import ndtr

    ends = (margin - difference) / error - high, (-margin - difference) / error + low
    return float(np.mean(np.maximum(ndtr(ends[0]) - ndtr(ends[1]), 0)))


def normal_power(
    margin: float,
    sd: float,
    n: int,
    drawn: Callable[[int], tuple[np.ndarray, np.ndarray | int, np.ndarray]],
    *,
    num_groups: int,
    difference: float,
    alpha: float,
) -> float:
    """Returns the probability of the verdict "equivalent" for normal runs.

    The mean of a normal sample does not depend on its spread and skew. The power is therefore the
    mean, over spreads and skews that are drawn, of an exact probability; its error is below 0.01.
    Beyond MAX_DRAWN runs the skew is taken as 0, and the power is an integral.

    Args:
        margin: above 0.
        sd: standard deviation of the runs of each group.
        n: number of runs in each group, at least 2.
        drawn: returns for n runs NUM_DRAWN estimated standard errors (samples,) in units of the
            true one, their degrees of freedom, and upper limits (2, samples) of the skew and of
            the skew with its sign changed.
        num_groups: 1 if the differences of pairs are the runs, else 2.
        difference: the true difference.
        alpha: level of each test.
    """
    from scipy.special import stdtrit

    if least_p(n) >= alpha:
        return 0.0
    if sd == 0:
        return float(abs(difference) < margin)
    error = sd * math.sqrt(num_groups / n)
    if n > MAX_DRAWN:
        most = num_groups * (n - 1)  # degrees of freedom of equal spreads
        skew = np.array(Z_SKEW * skew_error(n) / (num_groups * math.sqrt(n)))
        limit = float(standard_errors(float(stdtrit(most, alpha)), skew))
        return power_of_limit(margin, error, most, limit, difference)
    spread, df, skews = drawn(n)
    high, low = spread * standard_errors(stdtrit(df, alpha), skews)
    return chance_within(margin, error, difference, high, low)


def decide(p: float, p_different: float, alpha: float) -> Verdict:
    """Returns the verdict for two p values, which may be corrected ones."""
    if p < alpha:
        return "equivalent"
    return "different" if p_different < alpha else "inconclusive"


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


def values_of(name: str, values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns the values of a group, at least 2, as an array (n,) of float64.

    Raises:
        ValueError: there are fewer than 2, or one is not finite; the message has the name.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2:
        raise ValueError(f"{name}={values!r}: expected at least 2 values")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has {array[~np.isfinite(array)][0]}: expected finite values")
    return array
