"""Finds images that are the same except for saving and editing, and estimates how many there are.

A near copy has slight noise, a different brightness or contrast, was compressed again, mirrored
from left to right, or was shifted, rotated or resized a little. Two images are compared after the
best such change, see `registration`.

The score of an image is r_1 / r_k: the distance to its nearest training image, relative to that of
the k-th. It does not matter that MNIST's ones are alike: the tenth neighbour of a one is near too.

Single images: a pair is surely a copy if it is nearer than a threshold, at which `FALSE_ALARMS`
pairs are expected among all honest images. There are two ways to it, and the greater threshold
counts, up to `MAX_RATIO`:

- If points are evenly distributed around a place, in D dimensions, the volumes up to its first
  k - 1 neighbours are independent and uniform in the volume up to the k-th: each log(r_k / r_i) is
  exponential with the rate D (Hill 1975; Levina and Bickel 2004), and r_1 / r_k is below t with
  probability 1 - (1 - t^D)^(k-1). D comes from the neighbours of training images among all others.
- The lowest scores of training images among all others have such a tail too, whose rate is
  estimated from the lowest tenth. Its lower limit counts.

Both leave out distances below `MAX_RATIO`, which may be those of copies, and truncate the
distribution there: copies within training have no effect, however many there are.

All together: training images among all others show how honest images score, without any theory.
Copies that are planted as a test, changed up to the limits below, show how many are recognised.
From both `leak_size` estimates the number of copies, with an interval and a p value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from parity.behaviour.audit.candidates import Search
from parity.behaviour.audit.exact_copies import are_blank
from parity.behaviour.audit.leak_size import LeakSize, Scores, leak_size
from parity.behaviour.audit.positions import MIN_SIDE
from parity.behaviour.audit.registration import Registration, similarity, warped

K = 10
CANDIDATES = 12  # training images that each image is registered with
# Of small images more: their coarse views say less, and they take less time.
SMALL_SIDE, SMALL_CANDIDATES = 14, 36
FALSE_ALARMS = 0.01  # expected pairs in an honest data set with evenly distributed points
MAX_RATIO = 0.2
MIN_TRAIN = 50  # images needed to estimate D
DIMENSIONS = (0.1, 400.0)  # range of the estimate; expm1 is finite up to there
MIN_TAIL = 20  # scores whose tail is estimated
MIN_TAIL_LENGTH = 3.0  # of the tail above MAX_RATIO, in its scale: e^-3 is cut off
MIN_PIXELS = 16  # values of an image: with fewer, images are alike by chance
ROUNDING = 3e-3  # of the distance, if the correlation rounds to 1 in float32
# What the planted copies have at most: degrees, share of the shorter side, change of size; noise,
# and its share of the contrast of training images: in faint ones, little noise hides everything.
MAX_ANGLE, MAX_SHIFT, MAX_ZOOM, MAX_NOISE, MAX_NOISE_SHARE = 10.0, 3 / 28, 0.1, 0.02, 0.1
NUM_PLANTED = 150  # of either border


@dataclass(frozen=True, eq=False)
class Nearness:
    """The distance of each image to its nearest training image, relative to the tenth nearest.

    Attributes:
        index: int64 (val,), the nearest training image.
        scores: r_1 / r_10 of each validation image, and whether the nearest is moved.
        within: the same ratio for some training images, each among all others.
        planted: scores of copies that were planted as a test, and whether they are moved; those
            that are continued at their edges, and those where black enters.
        threshold: a ratio below it is surely a near copy.
        dimension: D.
    """

    index: np.ndarray
    scores: Scores
    within: np.ndarray
    planted: tuple[Scores, Scores]
    threshold: float
    dimension: float

    @property
    def is_sure(self) -> np.ndarray:
        """Bool (val,), whether each validation image is surely a near copy."""
        sure: np.ndarray = self.scores.value < self.threshold
        return sure

    def size(self, is_new: np.ndarray) -> LeakSize | None:
        """Estimates how many of these validation images are copies.

        Args:
            is_new: bool (val,), those that count.

        Returns:
            The estimate; None without images, or if most training images have copies in training,
            so that none shows how honest images score.
        """
        honest = self.within[self.within >= self.threshold]
        if not is_new.any() or len(honest) < max(MIN_TRAIN, len(self.within) / 2):
            return None
        counted = Scores(self.scores.value[is_new], self.scores.is_moved[is_new])
        num_sure = int((is_new & self.is_sure).sum())
        return leak_size(counted, honest, self.planted, num_sure=num_sure)


def nearness(
    train: np.ndarray,
    val: np.ndarray,
    *,
    within: np.ndarray,
    generator: np.random.Generator,
) -> Nearness | None:
    """Compares validation images with training images.

    Args:
        train: float32 (N, H, W, C), all different, with sides of at most MAX_SIDE.
        val: float32, images of the same shape.
        within: int64, indices of the training images that are compared with all others.
        generator: draws the copies that are planted.

    Returns:
        The distances; None with too few images or pixels.
    """
    if min(len(train), len(within)) < MIN_TRAIN or train[0].size < MIN_PIXELS:
        return None
    search, registration = Search(train), Registration(train)
    num_candidates = SMALL_CANDIDATES if min(train.shape[1:3]) < SMALL_SIDE else CANDIDATES

    def compared(
        images: np.ndarray, own: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns the nearest training image, whether it is moved, and the K distances."""
        candidates = search.candidates(images, num_candidates, own=own)
        found = registration.compare(images, candidates)
        first = found.distance.argmin(axis=1)[:, None]
        index, is_moved = (
            np.take_along_axis(array, first, axis=1)[:, 0]
            for array in (candidates.index, found.is_moved)
        )
        return index, is_moved, np.maximum(np.sort(found.distance, axis=1)[:, :K], ROUNDING)

    some = train[within]
    _, _, own_distance = compared(some, within)
    structured = own_distance[~are_blank(some)]
    if len(structured) < MIN_TRAIN:
        return None
    threshold, dimension = _threshold(structured, len(val))
    index, is_moved, distance = compared(val)
    sources = generator.permutation(len(train))[:NUM_PLANTED]
    plants = []
    for is_black in (False, True):
        copies, is_copy_moved = planted(train[sources], generator, is_black=is_black)
        plants.append(Scores(_ratio(compared(copies)[2]), is_copy_moved))
    return Nearness(
        index=index,
        scores=Scores(_ratio(distance), is_moved),
        within=_ratio(own_distance),
        planted=(plants[0], plants[1]),
        threshold=threshold,
        dimension=dimension,
    )


def planted(
    images: np.ndarray, generator: np.random.Generator, *, is_black: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Returns changed copies of images, and whether each is moved.

    All are brighter or darker and have noise, and half are mirrored. Two thirds are moved. The
    noise, the angle, the shifts and the size are uniform up to the limits of this module.

    Args:
        images: float32 (N, H, W, C), at least one.
        generator: draws the changes.
        is_black: whether black enters at the edges; otherwise the pixels there are repeated.
    """
    count, height, width = images.shape[:3]
    is_moved = (np.arange(count) % 3 > 0) & (min(height, width) >= MIN_SIDE)
    copies = images.copy()
    copies[::2] = copies[::2, :, ::-1]
    angle, down, across, size = generator.uniform(-1, 1, (4, count)) * is_moved
    reach = MAX_SHIFT * min(height, width)
    warps = similarity(
        np.deg2rad(MAX_ANGLE) * angle, 1 + MAX_ZOOM * size, reach * down, reach * across
    )
    copies, mask = warped(copies, np.arange(count), warps)
    if is_black:
        copies *= mask[..., None]
    copies = copies.reshape(images.shape)
    copies *= generator.uniform(0.8, 1.2, (count, 1, 1, 1))
    contrast = math.sqrt(images.var(axis=(1, 2)).mean())
    noise = generator.uniform(0, min(MAX_NOISE, MAX_NOISE_SHARE * contrast), (count, 1, 1, 1))
    copies += noise * generator.normal(size=copies.shape)
    return np.clip(copies, 0, 1).astype(np.float32), is_moved


def _ratio(distance: np.ndarray) -> np.ndarray:
    ratio: np.ndarray = distance[:, 0] / distance[:, -1]
    return ratio


def _threshold(distance: np.ndarray, num_images: int) -> tuple[float, float]:
    """Returns the ratio below which a pair is surely a copy, and D.

    Args:
        distance: (N, K), of training images to their neighbours, ascending.
        num_images: number of images that are looked at, each as it is and mirrored.
    """
    dimension = _rate(np.log(distance[:, -1:] / distance[:, :-1]), -math.log(MAX_RATIO))
    chance = -math.expm1(math.log1p(-FALSE_ALARMS / (2 * num_images)) / (K - 1))
    by_dimension = chance ** (1 / dimension)

    scores = np.sort(_ratio(distance))
    scores = scores[scores >= MAX_RATIO]
    size = min(max(MIN_TAIL, len(scores) // 10), len(scores) - 1)
    if size < MIN_TAIL:
        return min(MAX_RATIO, by_dimension), dimension
    start = scores[size]
    cut = math.log(start / MAX_RATIO)
    rate = _rate(np.log(start / scores[:size]), cut)
    if rate * cut < MIN_TAIL_LENGTH:
        return min(MAX_RATIO, by_dimension), dimension
    rate *= 1 - 2 / math.sqrt(size)  # two standard errors
    share = size / len(scores)
    by_tail = start * (FALSE_ALARMS / (num_images * share)) ** (1 / rate)
    return min(MAX_RATIO, max(by_dimension, float(by_tail))), dimension


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
