"""Whether pairs of runs, such as one seed in two frameworks, are equivalent.

Two one-sided tests (TOST; Schuirmann 1987) of the differences d of the pairs. One shows that their
mean is below the upper margin, the other that it is above the lower one. Each test has the greatest
of three p values:

- that of all swaps of halves (`parity.sweeps.swaps`), which assumes no normal distribution and has
  no p = 0 where the differences have no spread;
- that of Student's t, corrected for skew. With a long tail on one side, the mean and the spread of
  few pairs are often both too small, and plain t calls pairs exactly at the margin equivalent in 11
  to 16 % instead of 5 %. Hall's transformation (1992) corrects t by the skew of the sample. Few
  pairs do not show their skew, so its upper limit counts: the estimate and 1.645 standard errors;
- 2^(1-n), the least two-sided p of n pairs. Fewer than six pairs therefore decide nothing at 5 %.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from parity.stats import (
    ALPHA,
    POWER,
    Equivalence,
    check_limits,
    decide,
    power_of_limit,
    smallest_n,
    values_of,
)
from parity.sweeps.swaps import p_of_sums

Z_SKEW = 1.645  # upper 95 % limit of the skew; benchmarks/accuracy/sweep_statistics.py
NUM_DRAWN, MAX_DRAWN = 2000, 256  # samples for the power; pairs up to which they are drawn
_NO_SPREAD = 1e-12  # a spread below this share of the values is rounding


def least_p(n: int) -> float:
    """Returns the least p value that n pairs can have: that of pairs which all point one way."""
    return min(1.0, 2.0 ** (1 - n))


def p_below(x: np.ndarray) -> np.ndarray:
    """Returns the p value for a mean of at least 0: a small one shows that the mean is below 0.

    Args:
        x: array (..., n) of n differences of pairs, n at least 2.

    Returns:
        Array (...) of p values in [2^(1-n), 1].
    """
    return _greatest(p_of_sums(x), x)


def p_of_t(x: np.ndarray) -> np.ndarray:
    """Returns the p value of Student's t for a mean of at least 0, corrected for skew.

    Hall, P. (1992): On the removal of skewness by transformation, J. R. Statist. Soc. B 54, 221.

    Args:
        x: array (..., n) of n differences of pairs, n at least 2.

    Returns:
        Array (...) of p values in [0, 1]; without any spread 0 or 1.
    """
    from scipy.special import stdtr

    n = x.shape[-1]
    mean, error, skew = _moments(x)
    a, b = skew / (3 * math.sqrt(n)), skew / (6 * math.sqrt(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / error
        transformed = t + a * t**2 + a**2 * t**3 / 3 + b
    return np.where(error > 0, stdtr(n - 1, transformed), (mean >= 0).astype(float))


def equivalence_of_pairs(
    a: Sequence[float], b: Sequence[float], margin: float, alpha: float = ALPHA
) -> Equivalence:
    """Compares two groups whose runs form pairs, such as one seed in two frameworks.

    The interval is that of t, corrected for skew. It lies within the margins wherever the verdict
    is "equivalent". The power is that for normal differences.

    Args:
        a: n values, at least 2.
        b: the partners of these values.
        margin: above 0, in units of the values.
        alpha: in (0, 0.5).

    Raises:
        ValueError: the lengths differ, a value is not finite, or an argument is out of range.
    """
    x, y = values_of("a", a), values_of("b", b)
    if len(x) != len(y):
        raise ValueError(f"{len(x)} and {len(y)} values: expected pairs")
    check_limits(margin, alpha)
    d, n = x - y, len(x)
    x = np.stack([d - margin, -d - margin, margin - d, margin + d, d, -d])
    p_swapped = p_of_sums(x)
    p_high, p_low, p_above, p_under = _greatest(p_swapped[:4], x[:4])
    p, p_different = float(max(p_high, p_low)), float(min(p_above, p_under))
    sd = float(np.std(d, ddof=1))
    return Equivalence(
        verdict=decide(p, p_different, alpha),
        difference=float(d.mean()),
        low=0.0 - _upper(-d, alpha),
        high=_upper(d, alpha),
        p=p,
        p_different=p_different,
        p_zero=float(min(1.0, 2 * p_swapped[4:].min())),
        margin=float(margin),
        alpha=alpha,
        n=n,
        power=pair_power(margin, sd, n, alpha=alpha),
        n_needed=pairs_needed(margin, sd, alpha=alpha),
    )


def pair_power(
    margin: float, sd: float, n: int, *, difference: float = 0.0, alpha: float = ALPHA
) -> float:
    """Returns the probability of the verdict "equivalent" for normal differences.

    The mean of a normal sample does not depend on its spread and skew. The power is therefore the
    mean, over spreads and skews that are drawn, of an exact probability; its error is below 0.01.
    Beyond MAX_DRAWN pairs the skew is taken as 0, and the power is an integral.

    Args:
        margin: above 0.
        sd: standard deviation of the differences of pairs.
        n: number of pairs, at least 2.
        difference: the true mean difference.
        alpha: level of each test.
    """
    from scipy.special import ndtr

    if least_p(n) >= alpha:
        return 0.0
    if sd == 0:
        return float(abs(difference) < margin)
    error = sd / math.sqrt(n)
    if n > MAX_DRAWN:
        limit = float(_standard_errors(np.array(Z_SKEW * _skew_error(n)), n, alpha))
        return power_of_limit(margin, error, n - 1, limit, difference)
    spread, skews = _drawn(n)
    high, low = spread * _standard_errors(skews, n, alpha)
    ends = (margin - difference) / error - high, (-margin - difference) / error + low
    return float(np.mean(np.maximum(ndtr(ends[0]) - ndtr(ends[1]), 0)))


def pairs_needed(
    margin: float, sd: float, *, alpha: float = ALPHA, power: float = POWER
) -> int | None:
    """Returns the smallest number of pairs with enough power if there is no difference.

    Returns None if it is above MAX_N.
    """
    return smallest_n(lambda n: pair_power(margin, sd, n, alpha=alpha) >= power)


def _greatest(p_swapped: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns the greatest of the three p values, of which that of the swaps is known."""
    return np.asarray(np.maximum(np.maximum(p_swapped, least_p(x.shape[-1])), p_of_t(x)))


def _moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean, its standard error, and the upper limit of the skew (at least 0)."""
    n = x.shape[-1]
    mean = x.mean(axis=-1)
    centred = x - mean[..., None]
    variance = np.mean(centred**2, axis=-1)
    size = np.abs(x).max(axis=-1)
    variance = np.where(variance > (_NO_SPREAD * size) ** 2, variance, 0.0)
    third = np.mean(centred**3, axis=-1)
    skew = np.divide(third, variance**1.5, out=np.zeros_like(third), where=variance > 0)
    limit = skew * _bias(n) + Z_SKEW * _skew_error(n)
    return mean, np.sqrt(variance / (n - 1)), np.maximum(limit, 0.0)


def _bias(n: int) -> float:
    """Returns the factor that frees the skew of n normal values from bias (Joanes, Gill 1998)."""
    return math.sqrt(n * (n - 1)) / (n - 2) if n > 2 else 0.0


def _skew_error(n: int) -> float:
    """Returns the standard error of the skew of n normal values; that of 3 if there are only 2."""
    n = max(n, 3)
    return math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3)))


def _upper(d: np.ndarray, alpha: float) -> float:
    """Returns the upper limit of the mean: where the p value of the corrected t is alpha."""
    mean, error, skew = _moments(d)
    return float(mean + _standard_errors(skew, len(d), alpha) * error)


def _standard_errors(skew: np.ndarray, n: int, alpha: float) -> np.ndarray:
    """Returns how many standard errors below 0 a mean has a p value of alpha: Hall's inverse."""
    from scipy.special import stdtrit

    a, b = np.maximum(skew, 1e-9) / (3 * math.sqrt(n)), skew / (6 * math.sqrt(n))
    y = float(stdtrit(n - 1, alpha)) - b
    return np.asarray((1 - np.cbrt(1 + 3 * a * y)) / a)


@functools.lru_cache(maxsize=MAX_DRAWN)
def _drawn(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns spreads and upper limits of the skew of normal samples of n pairs.

    Returns:
        Spreads (samples,) in units of the true one, and limits (2, samples) of the skew and of the
        skew with its sign changed.
    """
    x = np.random.default_rng(0).standard_normal((NUM_DRAWN, n))
    _, error, skew = _moments(x)
    return error * math.sqrt(n), np.stack([skew, _moments(-x)[2]])
