"""Finds images that are the same except for saving and editing.

A near copy has slight noise, a different brightness or contrast, was compressed again, or is
mirrored from left to right. Images that were shifted, rotated or resized are not looked for. Images
are compared blurred, without their mean and contrast.

The score of an image is r_1 / r_k: the distance to its nearest training image, relative to that of
the k-th. MNIST's ones are similar, but that does not matter: the tenth neighbour of a
one is near too.

The data determine the threshold. If points are evenly distributed around a place, in D dimensions,
the volumes up to its first k - 1 neighbours are independent and uniform in the volume up to the
k-th: each log(r_k / r_i) is exponential with the rate D (Hill 1975; Levina and Bickel 2004). So

- the neighbours of training images among all others give D, by maximum likelihood. Those nearer
  than `MAX_RATIO` r_k may be copies; they are left out, and the distribution is truncated there, so
  that copies within training have no effect, however many there are;
- by chance r_1 / r_k is below t with probability 1 - (1 - t^D)^(k-1). The threshold is the t at
  which `FALSE_ALARMS` pairs are expected among all images, and at most `MAX_RATIO`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from parity.behaviour.audit.image_views import blurred
from parity.behaviour.audit.neighbours import nearest

K = 10
FALSE_ALARMS = 0.01  # expected pairs in an honest data set with evenly distributed points
MAX_RATIO = 0.2
MIN_TRAIN = 50  # images needed to estimate D
DIMENSIONS = (0.1, 400.0)  # range of the estimate; expm1 is finite up to there
MIN_PIXELS = 16  # values of an image: with fewer, images look the same by chance
ROUNDING = 3e-3  # of the distance, if the correlation rounds to 1 in float32


@dataclass(frozen=True, eq=False)
class Nearness:
    """The distance of each image to its nearest training image, relative to the tenth nearest.

    Attributes:
        index: int64 (val,), the nearest training image.
        ratio: r_1 / r_10 of each validation image, or of its mirror image if that is smaller.
        within: the same ratio for some training images, each among all others.
        threshold: a ratio below it is a near copy.
        dimension: D.
    """

    index: np.ndarray
    ratio: np.ndarray
    within: np.ndarray
    threshold: float
    dimension: float


def nearness(train: np.ndarray, val: np.ndarray, *, within: np.ndarray) -> Nearness | None:
    """Compares validation images with training images.

    Args:
        train: float32 (N, H, W, C), all different, with sides of at most MAX_SIDE.
        val: float32, images of the same shape.
        within: int64, indices of the training images that are compared with all others.

    Returns:
        The distances; None with too few images or pixels.
    """
    if min(len(train), len(within)) < MIN_TRAIN or train[0].size < MIN_PIXELS:
        return None
    base = blurred(train)
    _, own = _nearest(train[within], base, within)
    structured = own[base[within].any(axis=1)]
    if len(structured) < MIN_TRAIN:
        return None
    dimension = _rate(np.log(structured[:, -1:] / structured[:, :-1]), -math.log(MAX_RATIO))
    # Each image is looked at twice, as it is and mirrored.
    chance = -math.expm1(math.log1p(-FALSE_ALARMS / (2 * len(val))) / (K - 1))
    index, distance = _nearest(val, base)
    return Nearness(
        index=index,
        ratio=distance[:, 0] / distance[:, -1],
        within=own[:, 0] / own[:, -1],
        threshold=min(MAX_RATIO, chance ** (1 / dimension)),
        dimension=dimension,
    )


def _nearest(
    images: np.ndarray, base: np.ndarray, own: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest training image, (N,), and the K distances, (N, K), of each image.

    They are those of the mirror image if its ratio is smaller. Images without structure are equally
    far from all.
    """
    views = [blurred(each) for each in (images, images[:, :, ::-1])]
    found = [nearest(view, base, K, own=own) for view in views]
    distance = np.maximum([each.distance for each in found], ROUNDING)
    distance[:, ~views[0].any(axis=1)] = 1
    way = (distance[:, :, 0] / distance[:, :, -1]).argmin(axis=0)
    rows = np.arange(len(images))
    return np.array([each.index[:, 0] for each in found])[way, rows], distance[way, rows]


def _rate(logs: np.ndarray, cut: float) -> float:
    """Returns the maximum-likelihood rate of an exponential distribution truncated at a cut.

    Its mean is 1 / D - L / (e^(D L) - 1), which falls from L / 2 to 0 as the rate D grows.

    Args:
        logs: values; those from the cut on are left out.
        cut: L, above 0.
    """
    logs = logs[logs < cut].astype(np.float64)
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
