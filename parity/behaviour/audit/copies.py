"""Finds images that are the same bit for bit, or the same except for saving and editing."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from parity.files.ranges import AtLeast0, Fraction, length

# --- Views of images for comparisons: small images, blurred images --------------------------------
#
# All functions work in blocks, so that nothing larger than the result is in memory.


MAX_SIDE = 32
_BLOCK = 64


def shrink(images: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Selects images and averages blocks of pixels, so that no side is longer than MAX_SIDE."""
    factors = [math.ceil(side / MAX_SIDE) for side in images.shape[1:3]]
    small = np.empty((len(index), *_pooled(images[:1], *factors).shape[1:]), np.float32)
    for start in range(0, len(index), _BLOCK):
        rows = slice(start, start + _BLOCK)
        small[rows] = _pooled(images[index[rows]], *factors)
    return small


def blurred(images: np.ndarray) -> np.ndarray:
    """Returns images low-passed with the weights 1 2 1, at half the resolution.

    Each is normalised to mean 0 and norm 1.

    Args:
        images: float32 (N, H, W, C).

    Returns:
        float32 (N, D); images without structure are 0.
    """
    blocks = range(0, len(images), _BLOCK)
    return np.concatenate([_blurred(images[start : start + _BLOCK]) for start in blocks])


def _blurred(images: np.ndarray) -> np.ndarray:
    for axis in (1, 2):
        size = images.shape[axis]
        padded = np.pad(images, [(int(a == axis),) * 2 for a in range(4)], mode="edge")
        first, second, third = (padded.take(range(start, start + size), axis) for start in range(3))
        images = (first + 2 * second + third) / 4
    small = _pooled(images, *(1 + (side >= 8) for side in images.shape[1:3]))
    rows = small.reshape(len(images), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    # The norm of a constant image is only rounding, which must not be scaled up.
    flat: np.ndarray = norm <= 1e-5 * math.sqrt(rows.shape[1])
    return np.where(flat, 0, rows / np.where(flat, 1, norm))


def _pooled(images: np.ndarray, down: int, across: int) -> np.ndarray:
    if down == across == 1:
        return images
    count, height, width, channels = images.shape
    height, width = height // down, width // across
    blocks = images[:, : height * down, : width * across]
    blocks = blocks.reshape(count, height, down, width, across, channels)
    means: np.ndarray = blocks.mean(axis=(2, 4), dtype=np.float32)
    return means


# --- The exact nearest neighbours of vectors, in little memory ------------------------------------
#
# |q - b|² = |q|² - 2 q·b + |b|² gives all distances of a block of queries by a matrix product. In
# float32 it loses digits if vectors are long and distances short. So both sides are centred first,
# a few more candidates are kept than needed, and their distances are computed again from the
# differences.


BLOCK = 256  # queries: with 10,000 vectors of 32×32×3 about 0.3 GB in all
SPARE = 4  # candidates beyond k


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Neighbours of each query, the nearest first; if distances are equal, in the order of `base`.

    Attributes:
        index: int64 (queries, k), indices of vectors of the base.
        distance: float32 (queries, k), Euclidean.
    """

    index: np.ndarray
    distance: np.ndarray


def nearest(
    queries: np.ndarray, base: np.ndarray, k: int, *, own: np.ndarray | None = None
) -> Neighbours:
    """Finds the k nearest vectors of a base.

    Args:
        queries: float32 (Q, D).
        base: float32 (N, D).
        k: number of neighbours, at least 1; if the base has fewer, all of it is returned.
        own: int64 (Q,), the index of each query in the base, which does not count; the base then
            needs at least two vectors.
    """
    available = len(base) - (own is not None)
    k, kept = min(k, available), min(k + SPARE, available)
    mean = base.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = base - mean
    half_squares = np.einsum("nd,nd->n", centred, centred) / 2
    index = np.empty((len(queries), k), np.int64)
    distance = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), BLOCK):
        rows = slice(start, start + BLOCK)
        block = queries[rows] - mean
        nearness = block @ centred.T
        nearness -= half_squares
        if own is not None:
            nearness[np.arange(len(block)), own[rows]] = -np.inf
        candidates = np.argpartition(nearness, -kept, axis=1)[:, -kept:]
        gaps = centred[candidates]
        gaps -= block[:, None]
        squares = np.einsum("qkd,qkd->qk", gaps, gaps)
        order = np.lexsort((candidates, squares), axis=-1)[:, :k]
        index[rows] = np.take_along_axis(candidates, order, axis=1)
        distance[rows] = np.sqrt(np.take_along_axis(squares, order, axis=1))
    return Neighbours(index, distance)


# --- Finds images that are the same bit for bit, with the same label or with another one ----------


MAX_PAIRS = 5


@dataclass(frozen=True)
class Copies:
    """Images of a part that occur in training too.

    Attributes:
        count: number of such images.
        fraction: fraction of all images of the part.
        num_other_label: number of those with another label in training.
        pairs: up to five (index in the part, index in training), other labels first.
    """

    count: AtLeast0
    fraction: Fraction
    num_other_label: AtLeast0
    pairs: Annotated[tuple[tuple[AtLeast0, AtLeast0], ...], length(0, MAX_PAIRS)]


class Originals:
    """The distinct images of training, by their content.

    Args:
        images: (N, H, W, C).
        labels: int64 (N,).
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        # Of each content, and of each label that it has: where it occurs first.
        self._places: dict[bytes, dict[int, int]] = {}
        for index, (digest, label) in enumerate(
            zip(_digests(images), labels.tolist(), strict=True)
        ):
            self._places.setdefault(digest, {}).setdefault(label, index)

    @property
    def index(self) -> np.ndarray:
        """The first image of each content."""
        return np.array([min(places.values()) for places in self._places.values()])

    def contain(self, images: np.ndarray) -> np.ndarray:
        """Returns whether each image is one of them."""
        return np.array([digest in self._places for digest in _digests(images)])

    def copies(
        self, images: np.ndarray, labels: np.ndarray, *, is_training: bool = False
    ) -> Copies:
        """Searches the images of a part. Blank images do not count: they may not be copies.

        Args:
            images: (M, H, W, C).
            labels: int64 (M,).
            is_training: whether they are the training images themselves; the first image of each
                content is then not a copy.
        """
        same, other = [], []
        rows = zip(_digests(images), labels.tolist(), are_blank(images).tolist(), strict=True)
        for index, (digest, label, is_blank) in enumerate(rows):
            places = self._places.get(digest)
            if places is None or is_blank:
                continue
            first = min(places.values())
            if is_training and first == index:
                continue
            contradicting = [place for key, place in places.items() if key != label]
            if contradicting:
                other.append((index, min(contradicting)))
            else:
                same.append((index, first))
        count = len(same) + len(other)
        return Copies(count, count / len(images), len(other), tuple((other + same)[:MAX_PAIRS]))


def are_blank(images: np.ndarray) -> np.ndarray:
    """Returns whether each image has one value in all pixels and channels."""
    rows = images.reshape(len(images), -1)
    blank: np.ndarray = rows.min(axis=1) == rows.max(axis=1)
    return blank


def _digests(images: np.ndarray) -> list[bytes]:
    rows = np.ascontiguousarray(images).reshape(len(images), -1)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]


# --- Finds images that are the same except for saving and editing ---------------------------------
#
# A near copy has slight noise, a different brightness or contrast, was compressed again, or is
# mirrored from left to right. Images that were shifted, rotated or resized are not looked for.
# Images are compared blurred, without their mean and contrast.
#
# The score of an image is r_1 / r_k: the distance to its nearest training image, relative to that
# of the k-th. MNIST's ones are similar, but that does not matter: the tenth neighbour of a one is
# near too.
#
# The data determine the threshold. If points are evenly distributed around a place, in D
# dimensions, the volumes up to its first k - 1 neighbours are independent and uniform in the volume
# up to the k-th: each log(r_k / r_i) is exponential with the rate D (Hill 1975; Levina and Bickel
# 2004). So
#
# - the neighbours of training images among all others give D, by maximum likelihood. Those nearer
#   than `MAX_RATIO` r_k may be copies; they are left out, and the distribution is truncated
#       there, so
#   that copies within training have no effect, however many there are;
# - by chance r_1 / r_k is below t with probability 1 - (1 - t^D)^(k-1). The threshold is the t at
#   which `FALSE_ALARMS` pairs are expected among all images, and at most `MAX_RATIO`.


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
    _, within_distance = _nearest(train[within], base, within)
    structured = within_distance[base[within].any(axis=1)]
    if len(structured) < MIN_TRAIN:
        return None
    dimension = _rate(np.log(structured[:, -1:] / structured[:, :-1]), -math.log(MAX_RATIO))
    # Each image is looked at twice, as it is and mirrored.
    chance = -math.expm1(math.log1p(-FALSE_ALARMS / (2 * len(val))) / (K - 1))
    index, distance = _nearest(val, base)
    return Nearness(
        index=index,
        ratio=distance[:, 0] / distance[:, -1],
        within=within_distance[:, 0] / within_distance[:, -1],
        threshold=min(MAX_RATIO, chance ** (1 / dimension)),
        dimension=dimension,
    )


def _nearest(
    images: np.ndarray, base: np.ndarray, query_index: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the nearest training image, (N,), and the K distances, (N, K), of each image.

    They are those of the mirror image if its ratio is smaller. Images without structure are equally
    far from all.
    """
    views = [blurred(each) for each in (images, images[:, :, ::-1])]
    found = [nearest(view, base, K, own=query_index) for view in views]
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
