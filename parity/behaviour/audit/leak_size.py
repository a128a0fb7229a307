"""How many images are copies, from how near they are and how near honest ones come.

In: a score of each image, small for copies; that of honest images; and that of copies which were
planted as a test. Out: the number of copies with an interval, and the p value of no copy at all.

The cut is a low order statistic of the honest scores. So many honest images are below it among m
new ones with a beta-binomial distribution, whatever the distribution of the scores is: the p value
is exact. Images below the cut, minus the expected number of honest ones, are copies that are
seen. The share of the planted copies below the cut is the power, by which they are divided. The
power is that of images that only look different, or of images that are moved: rotated images are
harder to recognise than mirrored ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

HONEST_BELOW = 0.01  # share of honest images below the cut
CONFIDENCE = 0.95
MIN_POWER = 0.05  # what is not recognised at all cannot be counted


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of images, and whether each seems, or is known, to be moved.

    Attributes:
        value: (N,), small for copies.
        is_moved: bool (N,).
    """

    value: np.ndarray
    is_moved: np.ndarray


@dataclass(frozen=True)
class LeakSize:
    """The number of copies among the images.

    Attributes:
        count: estimated number.
        low, high: its 95 % interval.
        p: p value of no copy.
        cut: images with a lower score were counted.
        num_images: number of images.
        power_still, power_moved: shares of the planted copies below the cut; None if images are too
            small to be moved.
    """

    count: float
    low: float
    high: float
    p: float
    cut: float
    num_images: int
    power_still: float
    power_moved: float | None


def leak_size(
    scores: Scores, honest: np.ndarray, planted: Sequence[Scores], *, num_sure: int = 0
) -> LeakSize:
    """Estimates the number of copies.

    Args:
        scores: of the images, at least one.
        honest: (N,), scores of honest images, at least one.
        planted: of copies, both moved and not moved, for each way of making them.
        num_sure: number of the images that are known to be copies.
    """
    total = len(scores.value)
    rank = int(HONEST_BELOW * len(honest))
    cut = float(np.partition(honest, rank)[rank])
    is_below = scores.value < cut
    still = int((is_below & ~scores.is_moved).sum())
    moved = int((is_below & scores.is_moved).sum())
    from scipy import stats

    by_chance = stats.betabinom(total, rank + 1, len(honest) - rank)
    tail = (1 - CONFIDENCE) / 2
    low = max(float(num_sure), still + moved - float(by_chance.ppf(1 - tail)))
    powers: list[float | None] = []
    lowest = []
    for kind in (False, True):
        caught = [way.value[way.is_moved == kind] < cut for way in planted]
        has_kind = any(len(below) for below in caught)
        powers.append(float(np.concatenate(caught).mean()) if has_kind else None)
        # The way in which copies are the hardest to recognise counts for the upper limit.
        limits = [stats.beta.ppf(tail, max(c.sum(), 0.5), (~c).sum() + 1) for c in caught]
        lowest.append(max(MIN_POWER, float(min(limits))) if has_kind else 1.0)
    by_power = [1.0 if power is None else max(power, MIN_POWER) for power in powers]
    # Honest images below the cut look moved: they are matched as well as possible.
    honest_left = max(0.0, total - still - moved / by_power[1])
    share = (rank + 0.5) / len(honest)
    seen_moved = max(0.0, moved - honest_left * share)
    count = still / by_power[0] + seen_moved / by_power[1]
    # With so many copies, no more than `seen` are below the cut with a chance of `tail`.
    high = sum(
        seen + float(stats.nbinom.ppf(1 - tail, seen + 1, power))
        for seen, power in zip((still, moved), lowest, strict=True)
    )
    return LeakSize(
        count=float(np.clip(count, low, total)),
        low=low,
        high=float(np.clip(high, low, total)),
        p=float(by_chance.sf(still + moved - 1)),
        cut=cut,
        num_images=total,
        power_still=by_power[0] if powers[0] is None else powers[0],
        power_moved=powers[1],
    )


def more_often(found: np.ndarray, honest: np.ndarray) -> float:
    """Returns the p value that something is as frequent as among honest images.

    With a uniform prior of the share, its posterior from the honest images.

    Args:
        found: bool (M,), of the images.
        honest: bool (N,).
    """
    from scipy import stats

    count = int(honest.sum())
    by_chance = stats.betabinom(len(found), count + 1, len(honest) - count + 1)
    return float(by_chance.sf(int(found.sum()) - 1))
