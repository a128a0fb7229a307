"""Whether pairs of runs, such as one seed in two frameworks, are equivalent: means and swaps."""

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

# --- Swaps of the two halves of a seed: the exact test of a sweep ---------------------------------
#
# If the port is right, the two runs of a seed could have come from either half. Swapping them
# changes the sign of their difference and nothing else. Each choice of seeds whose halves are
# swapped is then as likely as what was observed, and a p value is the share of the choices that are
# at least as extreme (Fisher 1935, sign flips of pairs). No distribution is assumed, and pairs
# without any spread are no special case: n pairs that all point the same way have p = 2^-n, never
# 0.
#
# Up to 13 seeds, all choices are tried. Beyond, a fixed sample is drawn that includes the one that
# was observed, so that p stays valid (Phipson and Smyth 2010) and a sweep has one result.


NUM_SWAPS = 8192  # all choices for 13 seeds; the error of a p of 0.05 is 0.0024
_ROUNDING = 1e-9  # sums in another order differ by less, relative to their terms
_ROWS = 512  # at a time: their sums are a few tens of megabytes
_CELLS = 2**17  # signs at a time: they fit into a cache


@functools.lru_cache(maxsize=4)
def _swaps(num_seeds: int) -> np.ndarray:
    """Returns the choices of seeds whose halves are swapped, one bit each: there may be 10^8."""
    if 2**num_seeds <= NUM_SWAPS:
        bits = np.arange(2**num_seeds)[:, None] >> np.arange(num_seeds) & 1
        return np.packbits(bits, axis=1)
    generator = np.random.default_rng(0)
    rows = [np.packbits(generator.integers(0, 2, num_seeds)) for _ in range(NUM_SWAPS)]
    rows[0][:] = 0
    return np.stack(rows)


def swapped_sums(d: np.ndarray) -> np.ndarray:
    """Returns the sums of differences for every choice of seeds whose halves are swapped.

    Args:
        d: array (seeds, tests), at least one seed.

    Returns:
        Array (choices, tests). The first row is the choice without a swap: what was observed.
    """
    packed, size = _swaps(len(d)), max(1, _CELLS // len(d))
    bits = (packed[start : start + size] for start in range(0, len(packed), size))
    return np.concatenate([(1.0 - 2.0 * np.unpackbits(b, axis=1, count=len(d))) @ d for b in bits])


def p_of_sums(x: np.ndarray) -> np.ndarray:
    """Returns the one-sided p value of each row: the share of choices with no greater a sum.

    It is exact for values that are symmetric about 0, and not too small if they are symmetric about
    a number above 0.

    Args:
        x: array (..., n) of differences of pairs.

    Returns:
        Array (...) of p values in [1 / choices, 1].
    """
    rows = x.reshape(-1, x.shape[-1])
    p = np.empty(len(rows))
    for start in range(0, len(rows), _ROWS):
        here = slice(start, start + _ROWS)
        limit = rows[here].sum(axis=1) + _ROUNDING * np.abs(rows[here]).sum(axis=1)
        p[here] = np.mean(swapped_sums(rows[here].T) <= limit, axis=0)
    return p.reshape(x.shape[:-1])


def step_down(p: np.ndarray) -> np.ndarray:
    """Corrects the p values of several tests that share their seeds (Westfall and Young 1993).

    A test counts by how often any of the tests is as extreme if the halves are swapped. Tests that
    depend on each other, such as accuracy and gap, are therefore not counted twice, as Holm's
    correction would.

    Args:
        p: array (choices, tests) of p values, each computed from the swapped data; the first row is
            what was observed. They need to be comparable, not right.

    Returns:
        Array (tests,) of corrected p values, in the same order.
    """
    order = np.argsort(p[0], kind="stable")
    # The least p value of a test and of all that are less extreme than it.
    least = np.minimum.accumulate(p[:, order[::-1]], axis=1)[:, ::-1]
    shares = np.mean(least <= p[0, order] * (1 + 1e-7), axis=0)
    corrected = np.empty(len(order))
    corrected[order] = np.maximum.accumulate(shares)
    return corrected


def p_of_swapped_means(d: np.ndarray, margins: np.ndarray | None) -> np.ndarray:
    """Returns p values of means, computed for every choice of swaps; `step_down` corrects them.

    Args:
        d: array (seeds, tests) of differences of pairs; NaN where a seed has none. Each test has at
            least 2.
        margins: array (tests,): a mean beyond its margin counts, on either side; None: any mean
            other than 0 counts.

    Returns:
        Array (choices, tests) of p values of Student's t.
    """
    from scipy.special import stdtr

    has = np.isfinite(d)
    n = has.sum(axis=0)
    sums = swapped_sums(np.where(has, d, 0.0))
    if margins is None:
        t = _t(sums, np.nansum(d**2, axis=0), n)
        return np.asarray(2 * stdtr(n - 1, -np.abs(t)))
    # Of the differences minus the margin, and of the differences with the other sign.
    shift = swapped_sums(has) * margins
    sides = [
        _t(side * sums - shift, np.nansum((side * d - margins) ** 2, axis=0), n) for side in (1, -1)
    ]
    return np.asarray(stdtr(n - 1, -np.maximum(*sides)))


def p_of_swapped_counts(d: np.ndarray) -> np.ndarray:
    """Returns p values of the sign test for every choice of swaps; `step_down` corrects them.

    Args:
        d: array (seeds, tests): 1 where only the first half shows something, -1 where only the
            second does, else 0.

    Returns:
        Array (choices, tests) of two-sided p values (McNemar's exact test).
    """
    from scipy.special import bdtr

    num = np.abs(d).sum(axis=0).astype(int)
    sums = np.abs(swapped_sums(d))
    return np.asarray(np.minimum(1, 2 * bdtr((num - sums) // 2, num, 0.5)))


def _t(sums: np.ndarray, squares: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Returns t = mean / standard error from sums (choices, tests) and sums of squares (tests,)."""
    mean = sums / n
    variance = (squares - n * mean**2) / (n - 1)
    variance = np.where(variance > _ROUNDING * squares / n, variance, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / np.sqrt(variance / n)
    return np.asarray(np.nan_to_num(t, nan=0.0, posinf=np.inf, neginf=-np.inf))


# --- Whether pairs of runs, such as one seed in two frameworks, are equivalent --------------------
#
# Two one-sided tests of the differences d of the pairs. One shows that their mean is below the
# upper margin, the other that it is above the lower one. Each has the greatest of the three p
# values of `parity.stats`. The exact one is that of all swaps of halves (`parity.sweeps.pairs`).


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
