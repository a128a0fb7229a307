"""Views of images for comparisons: small images, blurred images.

All functions work in blocks, so that nothing larger than the result is in memory.
"""

from __future__ import annotations

import math

import numpy as np

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
