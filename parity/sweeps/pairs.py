"""Whether pairs of runs, such as one seed in two frameworks, are equivalent.

Two one-sided tests of the differences d of the pairs. One shows that their mean is below the upper
margin, the other that it is above the lower one. Each has the greatest of the three p values of
`parity.stats`. The exact one is that of all swaps of halves (`parity.sweeps.swaps`).
"""

from __future__ import annotations

import functools
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
from parity.sweeps.swaps import p_of_sums


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

    Args:
        x: array (..., n) of n differences of pairs, n at least 2.

    Returns:
        Array (...) of p values in [0, 1]; without any spread 0 or 1.
    """
    from scipy.special import stdtr

    n = x.shape[-1]
    mean, error, skew = _mean(x)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = stdtr(n - 1, corrected_t(mean / error, skew))
    return np.where(error > 0, p, (mean >= 0).astype(float))


def equivalence_of_pairs(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    margin: float,
    alpha: float = ALPHA,
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

    See `parity.stats.normal_power`; its error is below 0.01.

    Args:
        margin: above 0.
        sd: standard deviation of the differences of pairs.
        n: number of pairs, at least 2.
        difference: the true mean difference.
        alpha: level of each test.
    """
    return normal_power(margin, sd, n, _drawn, num_groups=1, difference=difference, alpha=alpha)


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


def _mean(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean, its standard error, and the upper limit of its skew (at least 0)."""
    n = x.shape[-1]
    variance, skew = moments(x)
    limit = (skew + Z_SKEW * skew_error(n)) / math.sqrt(n)
    return x.mean(axis=-1), np.sqrt(variance / n), np.maximum(limit, 0.0)


def _upper(d: np.ndarray, alpha: float) -> float:
    """Returns the upper limit of the mean: where the p value of the corrected t is alpha."""
    from scipy.special import stdtrit

    mean, error, skew = _mean(d)
    return float(mean + standard_errors(float(stdtrit(len(d) - 1, alpha)), skew) * error)


@functools.lru_cache(maxsize=MAX_DRAWN)
def _drawn(n: int) -> tuple[np.ndarray, int, np.ndarray]:
    """Returns what `normal_power` needs of normal samples of n pairs."""
    x = np.random.default_rng(0).standard_normal((NUM_DRAWN, n))
    _, error, skew = _mean(x)
    return error * math.sqrt(n), n - 1, np.stack([skew, _mean(-x)[2]])
