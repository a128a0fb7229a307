"""Finds images that are the same except for saving and editing.

A near copy has slight noise, a different brightness or contrast, was compressed again, is shifted
by one pixel, or is mirrored from left to right; rotated images do not count. Two images are
compared after the best such shift: their distance is sqrt(2 - 2c), where c is the correlation of
the overlapping pixels, which does not depend on mean and scale.

The data determine the threshold. If points are evenly distributed around a place, in D dimensions,
the volumes up to its first k - 1 neighbours are independent and uniform in the volume up to the
k-th: each log(r_k / r_i) is exponential with the rate D (Hill 1975; Levina and Bickel 2004). So

- the neighbours of training images among all others give D, by maximum likelihood. Those nearer
  than `MAX_RATIO` r_k may be copies; they are left out, and the distribution is truncated there, so
  that copies within training have no effect, however many there are;
- by chance r_1 / r_k is below t with probability 1 - (1 - t^D)^(k-1). The threshold is the t at
  which `FALSE_ALARMS` pairs are expected among all images looked at, and at most `MAX_RATIO`.

It does not matter that MNIST's ones are alike: the tenth neighbour of a one is near too.
`MAX_RATIO` is for places of a lower dimension than most: among few images, two honest ones reached
0.25.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from parity.behaviour.audit.exact_copies import are_blank
from parity.behaviour.audit.image_views import blurred, normalised, spectrum
from parity.behaviour.audit.neighbours import nearest

K = 10
FALSE_ALARMS = 0.01  # expected pairs in an honest data set with evenly distributed points
MAX_RATIO = 0.2
MIN_TRAIN = 50  # images needed to estimate D
DIMENSIONS = (0.1, 400.0)  # range of the estimate; expm1 is finite up to there
MIN_PIXELS = 16  # values of an image: with fewer, images are alike by chance
MIN_SIDE_OF_SHIFTS = 8
ROUNDING = 3e-3  # of the distance, if the correlation rounds to 1 in float32
# Blurred images alone miss shifted copies: they find 56 % of diagonal shifts of MNIST. Spectra do
# not change with a shift, but are less specific.
VIEWS = (blurred, spectrum)
_BLOCK = 64


@dataclass(frozen=True, eq=False)
class Nearness:
    """The distance of each image to its nearest training image, relative to the tenth nearest.

    Attributes:
        index: int64 (val,), the nearest training image.
        ratio: r_1 / r_10 of each validation image, or of its mirror image if that is smaller.
        within: the same for the first training images, each among all others.
        threshold: a ratio below it is a near copy.
        dimension: D.
    """

    index: np.ndarray
    ratio: np.ndarray
    within: np.ndarray
    threshold: float
    dimension: float


def nearness(train: np.ndarray, val: np.ndarray, *, max_within: int) -> Nearness | None:
    """Compares validation images with training images.

    Args:
        train: float32 (N, H, W, C), all different, with sides of at most MAX_SIDE.
        val: float32, images of the same shape.
        max_within: number of training images that are compared with the others, to estimate D.

    Returns:
        The distances; None with too few images or pixels.
    """
    if len(train) < MIN_TRAIN or train[0].size < MIN_PIXELS:
        return None
    some = train[:max_within]
    views = [view(train) for view in VIEWS]
    own = _candidates([view[:max_within] for view in views], views, np.arange(len(some)))
    _, within = _compared(some, train, own)
    index, ratio = _nearest(val, train, views)
    mirrored_index, mirrored = _nearest(np.ascontiguousarray(val[:, :, ::-1]), train, views)
    index = np.where(mirrored < ratio, mirrored_index, index)
    structured = within[~are_blank(some)]
    if len(structured) < MIN_TRAIN:
        return None
    dimension = _dimension(structured)
    # Each image is looked at twice, as it is and mirrored.
    chance = -math.expm1(math.log1p(-FALSE_ALARMS / (2 * len(val))) / (K - 1))
    return Nearness(
        index=index,
        ratio=np.minimum(ratio, mirrored),
        within=within[:, 0] / within[:, -1],
        threshold=min(MAX_RATIO, chance ** (1 / dimension)),
        dimension=dimension,
    )


def aligned_distance(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns sqrt(2 - 2c) after the best shift by at most one pixel in each direction.

    Args:
        images: float32 (B, H, W, C).
        others: float32 (B, K, H, W, C), compared with the images of the same row.

    Returns:
        (B, K); images without structure are at the distance of unrelated ones, sqrt(2).
    """
    height, width = images.shape[1:3]
    reach = 1 if min(height, width) >= MIN_SIDE_OF_SHIFTS else 0
    best = np.full(others.shape[:2], -1.0, np.float32)
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            here = images[:, _overlap(dy, height), _overlap(dx, width)]
            there = others[:, :, _overlap(-dy, height), _overlap(-dx, width)]
            a, b = normalised(here, 1), normalised(there, 2)
            np.maximum(best, np.einsum("bd,bkd->bk", a, b), out=best)
    return np.sqrt(np.maximum(2 - 2 * best, 0))


def _overlap(shift: int, size: int) -> slice:
    return slice(max(shift, 0), size + min(shift, 0))


def _nearest(
    images: np.ndarray, train: np.ndarray, views: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest training image of each image, and r_1 / r_10."""
    index, distance = _compared(images, train, _candidates([v(images) for v in VIEWS], views))
    return index, distance[:, 0] / distance[:, -1]


def _candidates(
    views: list[np.ndarray], of_train: list[np.ndarray], own: np.ndarray | None = None
) -> np.ndarray:
    """Returns K candidate training images from each view."""
    pairs = zip(views, of_train, strict=True)
    return np.concatenate([nearest(view, base, K, own=own).index for view, base in pairs], axis=1)


def _compared(
    images: np.ndarray, train: np.ndarray, candidates: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest candidate of each image, and the K smallest distances >= ROUNDING."""
    candidates = np.sort(candidates, axis=1)
    distance = np.empty(candidates.shape, np.float32)
    for start in range(0, len(images), _BLOCK):
        rows = slice(start, start + _BLOCK)
        distance[rows] = aligned_distance(images[rows], train[candidates[rows]])
    # A candidate from both views counts once.
    distance[:, 1:][candidates[:, 1:] == candidates[:, :-1]] = np.inf
    first = np.take_along_axis(candidates, distance.argmin(axis=1)[:, None], axis=1)[:, 0]
    return first, np.maximum(np.sort(distance, axis=1)[:, :K], ROUNDING)


def _dimension(distance: np.ndarray) -> float:
    """Returns the maximum-likelihood D, from the distances of each image to its K neighbours.

    An exponential distribution of rate D that is truncated at L has the mean
    1 / D - L / (e^(D L) - 1), which falls from L / 2 to 0 as D grows.
    """
    logs = np.log(distance[:, -1:].astype(np.float64) / distance[:, :-1])
    cut = -math.log(MAX_RATIO)
    logs = logs[logs < cut]
    mean = float(logs.mean()) if len(logs) else cut / 2

    def excess(d: float) -> float:
        return 1 / d + cut / -math.expm1(d * cut) - mean

    low, high = DIMENSIONS
    if excess(low) <= 0:
        return low
    if excess(high) >= 0:
        return high
    from scipy import optimize

    return float(optimize.brentq(excess, low, high))
