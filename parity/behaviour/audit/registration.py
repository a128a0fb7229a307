"""How different two images are after the best rotation, shift and change of size.

The training image t is warped until it matches the image q: t(W p) = g q(p) + b for all pixels p,
with a similarity W, a gain g and an offset b. Gauss-Newton steps of least squares find them (the
inverse compositional algorithm of Baker and Matthews 2004): near the solution, q(p) changes by
q_y and q_x for shifts, by q_x y - q_y x for a rotation, and by q_y y + q_x x for a change of size.
The distance is sqrt(2 - 2c), with the correlation c of the pixels that both images have.

Images are sampled down to `SIDE` pixels. In colour, W is found on the channel in which training
images vary most, their first principal component, and c is that of all channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from parity.behaviour.audit.positions import MIN_SIDE, centres, windows_at

if TYPE_CHECKING:
    from parity.behaviour.audit.candidates import Candidates

SIDE = 28  # pixels along the shorter side; fewer blur what distinguishes two images
WIDTH = 0.5  # standard deviation of the window of a pixel, in its sides
STEPS = 3
MAX_STEP = (1.5, 1.5, 0.15, 0.15)  # pixels, pixels, radians, logarithm of size
MIN_OVERLAP = 0.5  # of the pixels
STILL = 0.015  # sides: the mean way of the pixels of an image that is not moved
_BLOCK = 50_000  # pixels, about: what is computed of them stays in the cache


# Pairs of the six images of a basis
_FIRST, _SECOND = np.triu_indices(6)


@dataclass(frozen=True, eq=False)
class Registered:
    """The candidates of each image after registration, in their order.

    Attributes:
        distance: float32 (Q, k), from 0 to 2; images without structure are at the distance of
            unrelated ones, sqrt(2).
        is_moved: bool (Q, k), whether the match is shifted, rotated or of another size.
    """

    distance: np.ndarray
    is_moved: np.ndarray


class Registration:
    """Training images that other images are compared with.

    Args:
        train: float32 (N, H, W, C).
    """

    def __init__(self, train: np.ndarray) -> None:
        height, width, channels = train.shape[1:]
        self._side = min(height, width)
        self._scale = max(1.0, self._side / SIDE)
        self._windows = tuple(
            windows_at(centres(side, self._scale), side, WIDTH * self._scale)
            for side in (height, width)
        )
        self._grid = tuple(len(windows) for windows in self._windows)
        self._can_move = self._side >= MIN_SIDE
        self._train = self._small(train)
        pixels = self._train.reshape(-1, channels).astype(np.float64)
        _, axes = np.linalg.eigh(np.cov(pixels.T).reshape(channels, channels))
        self._channel = axes[:, -1:].astype(np.float32)
        self._grey = _centred(self._train @ self._channel)

    def compare(self, images: np.ndarray, candidates: Candidates) -> Registered:
        """Compares images with their candidates.

        Args:
            images: float32 (Q, H, W, C).
            candidates: from the same training images; where the search begins.
        """
        small = self._small(images)
        basis = _basis(_centred(small @ self._channel))
        count, k = candidates.index.shape
        warps = self._first_warps(candidates)
        distance = np.empty((count, k), np.float32)
        is_moved = np.empty((count, k), bool)
        size = max(1, _BLOCK // (k * basis.shape[1]))
        for start in range(0, count, size):
            rows = slice(start, start + size)
            which = candidates.index[rows]
            best, correlation = self._found(basis[rows], which, warps[rows])
            is_moved[rows] = self._way(best) > STILL * self._side
            if small.shape[3] > 1:
                there, mask = warped(self._train, which.ravel(), best.reshape(-1, 2, 3))
                here = np.repeat(small[rows], k, axis=0).reshape(there.shape)
                correlation = _correlation(here, there, mask).reshape(which.shape)
            distance[rows] = np.sqrt(np.maximum(2 - 2 * correlation, 0))
        return Registered(distance, is_moved)

    def _small(self, images: np.ndarray) -> np.ndarray:
        down, across = self._windows
        seen = down @ (np.ascontiguousarray(images.transpose(0, 3, 1, 2)) @ across.T)
        return np.ascontiguousarray(seen.transpose(0, 2, 3, 1))

    def _first_warps(self, candidates: Candidates) -> np.ndarray:
        """Returns (Q, k, 2, 3): warps that undo the moves of candidates."""
        moves = candidates.move.reshape(-1, 3)
        angle = np.deg2rad(moves[:, 0])
        warps = inverse(similarity(angle, 1.0, *(moves[:, 1:].T / self._scale)))
        # t(W p) = q(M p) for all p is t(W M p) = q(p), with the reflection M.
        warps[candidates.is_mirrored.ravel(), :, 1] *= -1
        return warps.reshape(*candidates.index.shape, 2, 3)

    def _found(
        self, basis: np.ndarray, which: np.ndarray, warps: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the best warp of each pair among those of all steps, and its correlation.

        Args:
            basis: (B, P, 6), of the images.
            which: (B, k), their candidates.
            warps: (B, k, 2, 3).
        """
        best, best_correlation = warps, np.full(which.shape, -np.inf)
        squares = basis[:, :, _FIRST] * basis[:, :, _SECOND]
        for step in range(STEPS + 1):
            there, mask = warped(self._grey, which.ravel(), warps.reshape(-1, 2, 3))
            pairs = (*which.shape, basis.shape[1])
            products = _products(basis, squares, there.reshape(pairs), mask.reshape(pairs))
            correlation = _correlation_of(products, basis.shape[1])
            is_better = correlation > best_correlation
            best = np.where(is_better[..., None, None], warps, best)
            best_correlation = np.maximum(correlation, best_correlation)
            if step == STEPS or not self._can_move:
                break
            warps = _after_step(warps, _step(products))
        return best, best_correlation

    def _way(self, warps: np.ndarray) -> np.ndarray:
        """Returns the root of the mean squared way of the pixels, in pixels of the images."""
        matrix = warps[..., :2].copy()
        matrix[np.linalg.det(matrix) < 0, :, 1] *= -1
        variance = (np.square(self._grid) - 1) / 12  # of the places of pixels
        squares = ((matrix - np.eye(2)) ** 2 @ variance).sum(axis=-1)
        way: np.ndarray = np.sqrt(squares + (warps[..., 2] ** 2).sum(axis=-1)) * self._scale
        return way


def _centred(images: np.ndarray) -> np.ndarray:
    """Subtracts the mean of each image, so that sums of products lose no digits to it."""
    centred: np.ndarray = images - images.mean(axis=(1, 2), keepdims=True)
    return centred


def _basis(images: np.ndarray) -> np.ndarray:
    """Returns (N, P, 6): what two shifts, rotation, size, gain and offset change in an image."""
    grey = images[..., 0]
    down, across = (
        np.gradient(grey, axis=axis) if grey.shape[axis] > 1 else np.zeros_like(grey)
        for axis in (1, 2)
    )
    y, x = (np.arange(side, dtype=np.float32) - (side - 1) / 2 for side in grey.shape[1:])
    y = y[:, None]
    changes = (down, across, across * y - down * x, down * y + across * x, grey)
    basis = np.stack([*changes, np.ones_like(grey)], axis=-1)
    return basis.reshape(len(images), -1, 6).astype(np.float32)


def warped(
    images: np.ndarray, which: np.ndarray, warps: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns images at the places of a warp, linear between pixels.

    Args:
        images: float32 (N, H, W, C).
        which: int64 (B,), the image of each warp.
        warps: (B, 2, 3).

    Returns:
        float32 (B, P, C), and float32 (B, P), 1 where the place is inside the image.
    """
    height, width, channels = images.shape[1:]
    count, sides = len(which), (height, width)
    y, x = ((np.arange(side) - (side - 1) / 2).astype(np.float32) for side in sides)
    warps = warps.astype(np.float32)
    inside = np.ones((count, height, width), bool)
    whole, part = [], []
    for row, side in enumerate(sides):
        a, b, c = (warps[:, row, column, None] for column in range(3))
        by_row = a * y + (c + np.float32((side - 1) / 2))
        place = by_row[:, :, None] + (b * x)[:, None]
        inside &= place >= -1e-3
        inside &= place <= side - 1 + 1e-3
        np.clip(place, 0, side - 1, out=place)
        before = np.minimum(np.floor(place), max(side - 2, 0))
        place -= before
        whole.append(before)
        part.append(place.reshape(count, -1, 1))
    before = whole[0] * width
    before += whole[1]
    at = before.reshape(count, -1).astype(np.int64)
    at += which[:, None] * (height * width)
    flat = images.reshape(-1, channels)
    right, below = int(width > 1), width * int(height > 1)

    def seen(offset: int) -> np.ndarray:
        taken: np.ndarray = flat[offset:].take(at, axis=0, mode="clip")  # faster than by an index
        return taken

    def between(first: np.ndarray, second: np.ndarray, share: np.ndarray) -> np.ndarray:
        second -= first
        second *= share
        second += first
        return second

    upper = between(seen(0), seen(right), part[1])
    lower = between(seen(below), seen(below + right), part[1])
    return between(upper, lower, part[0]), inside.reshape(count, -1).astype(np.float32)


def _correlation(here: np.ndarray, there: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns (B,), the correlation where the mask is 1; 0 for images that are flat there."""
    weights = mask[..., None]
    count = mask.sum(axis=1) * here.shape[2]
    is_enough = mask.mean(axis=1) >= MIN_OVERLAP
    count = np.maximum(count, 1)
    a, b = here * weights, there * weights
    a = (a - (a.sum(axis=(1, 2)) / count)[:, None, None]) * weights
    b = (b - (b.sum(axis=(1, 2)) / count)[:, None, None]) * weights
    squares = [np.einsum("bpc,bpc->b", v, v) for v in (a, b)]
    is_flat = np.minimum(*squares) <= 1e-10 * count
    product = np.einsum("bpc,bpc->b", a, b)
    found: np.ndarray = product / np.sqrt(np.where(is_flat, 1, squares[0] * squares[1]))
    return np.where(is_enough & ~is_flat, found, 0)


def _products(
    basis: np.ndarray, squares: np.ndarray, there: np.ndarray, mask: np.ndarray
) -> np.ndarray:
    """Returns (B, k, 7, 7): sums of products of the basis and candidates, where the mask is 1.

    Args:
        basis: (B, P, 6).
        squares: (B, P, 21), products of the basis with itself.
        there: (B, k, P), the candidates.
        mask: (B, k, P).
    """
    products = np.empty((*mask.shape[:2], 7, 7))
    products[..., _FIRST, _SECOND] = products[..., _SECOND, _FIRST] = mask @ squares
    masked = there * mask
    products[..., :6, 6] = products[..., 6, :6] = masked @ basis
    products[..., 6, 6] = np.einsum("bkp,bkp->bk", masked, masked)
    return products


def _correlation_of(products: np.ndarray, size: int) -> np.ndarray:
    """Returns (B, k), the correlations of images and candidates, as `_correlation` does.

    Args:
        products: (B, k, 7, 7).
        size: number of pixels.
    """
    count = products[..., 5, 5]
    scale = np.maximum(count, 1)
    sums = products[..., [4, 6], 5]
    squares = products[..., [4, 6], [4, 6]] - sums**2 / scale[..., None]
    product = products[..., 4, 6] - sums.prod(axis=-1) / scale
    is_flat = squares.min(axis=-1) <= 1e-10 * scale
    found = product / np.sqrt(np.where(is_flat, 1, squares.prod(axis=-1)))
    return np.where((count >= MIN_OVERLAP * size) & ~is_flat, found, 0)


def _step(products: np.ndarray) -> np.ndarray:
    """Returns (B, k, 4): the shifts, rotation and size that the pixels ask for."""
    matrix = products[..., :6, :6]
    # A little is added where an image has no gradient in some direction.
    size = np.trace(matrix, axis1=-2, axis2=-1) / 6
    ridge = (1e-3 * size)[..., None] * np.array([1, 1, 1, 1, 0, 0]) + 1e-6
    solved = np.linalg.solve(matrix + ridge[..., None] * np.eye(6), products[..., :6, 6:])[..., 0]
    gain = np.where(np.abs(solved[..., 4:5]) > 0.2, solved[..., 4:5], np.inf)
    limited: np.ndarray = np.clip(solved[..., :4] / gain, np.negative(MAX_STEP), MAX_STEP)
    return limited


def _after_step(warps: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Returns W D^-1, with the change D of the template."""
    down, across, angle, size = step.reshape(-1, 4).T
    # To first order, as the step is: cos = 1, sin = angle.
    back = inverse(_matrices(1 + size, angle, down, across)).reshape(warps.shape)
    matrix = warps[..., :2] @ back[..., :2]
    shift = warps[..., :2] @ back[..., 2:] + warps[..., 2:]
    return np.concatenate([matrix, shift], axis=-1)


def similarity(
    angle: np.ndarray, size: np.ndarray | float, down: np.ndarray, across: np.ndarray
) -> np.ndarray:
    """Returns (B, 2, 3): p becomes size R(angle) p + shift, with p from the centre, in pixels.

    Args:
        angle: (B,), radians.
        size: (B,) or one, factor.
        down: (B,), the shift in pixels.
        across: likewise.
    """
    return _matrices(size * np.cos(angle), size * np.sin(angle), down, across)


def _matrices(cos: np.ndarray, sin: np.ndarray, down: np.ndarray, across: np.ndarray) -> np.ndarray:
    return np.stack([cos, -sin, down, sin, cos, across], axis=1).reshape(-1, 2, 3)


def inverse(warps: np.ndarray) -> np.ndarray:
    """Returns the inverse of similarities (B, 2, 3)."""
    cos, sin = warps[:, 0, 0], warps[:, 1, 0]
    scale = cos**2 + sin**2
    down, across = warps[:, 0, 2], warps[:, 1, 2]
    cos, sin = cos / scale, -sin / scale
    return _matrices(cos, sin, -cos * down + sin * across, -sin * down - cos * across)
