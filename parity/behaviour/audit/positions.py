"""Coarse views of images at many positions: rotated, shifted, mirrored.

A view is what a grid of eight cells along the shorter side sees, each through a Gaussian window.
Windows that are placed where a change of position moves the cells see the image as if it had been
moved back, so no image is warped: all views of an image are one matrix product. The windows are
wide enough for what lies between two positions, and for a change of size by a tenth.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

CELLS = 8  # along the shorter side
WIDTH = 0.45  # standard deviation of a window, in cells
MIN_SIDE = 8  # of images that are moved; smaller ones are only mirrored
ANGLES = (-8.0, -4.0, 0.0, 4.0, 8.0)  # degrees
REACH = 3 / 28  # largest shift, in sides, but at least a pixel
SHIFTS = (-1.0, -0.75, -0.4, 0.0, 0.4, 0.75, 1.0)  # in reaches
FIRST_ANGLES, FIRST_SHIFTS = (-8.0, 0.0, 8.0), (-0.75, 0.0, 0.75)  # enough to look for candidates


@dataclass(frozen=True)
class Positions:
    """The positions of images of one size.

    Attributes:
        height, width: of the images, in pixels.
    """

    height: int
    width: int

    @cached_property
    def moves(self) -> np.ndarray:
        """(V, 3): degrees, pixels down and pixels across of each position, unmirrored."""
        side = min(self.height, self.width)
        if side < MIN_SIDE:
            return np.zeros((1, 3))
        reach = max(1.0, REACH * side)
        shifts = [reach * shift for shift in SHIFTS]
        return np.array(list(itertools.product(ANGLES, shifts, shifts)))

    @cached_property
    def first(self) -> np.ndarray:
        """Indices of the positions that are enough to look for candidates."""
        if len(self.moves) == 1:
            return np.zeros(1, np.int64)
        wanted = itertools.product(ANGLES, SHIFTS, SHIFTS)
        return np.array(
            [
                number
                for number, (angle, *shifts) in enumerate(wanted)
                if angle in FIRST_ANGLES and all(shift in FIRST_SHIFTS for shift in shifts)
            ]
        )

    def view(self, images: np.ndarray) -> np.ndarray:
        """Returns (N, D) float32: images as they are."""
        return self._seen(images, self._windows(np.zeros(3)))[:, 0]

    def views(self, images: np.ndarray) -> np.ndarray:
        """Returns (N, V, D) float32: images at each position."""
        return self._seen(images, self._all_windows)

    @cached_property
    def _all_windows(self) -> np.ndarray:
        return np.concatenate([self._windows(move) for move in self.moves])

    def _seen(self, images: np.ndarray, windows: np.ndarray) -> np.ndarray:
        count, height, width, channels = images.shape
        by_channel = images.transpose(0, 3, 1, 2).reshape(count * channels, height * width)
        seen = (by_channel @ windows.T).reshape(count, channels, -1, len(self._cells))
        seen = np.ascontiguousarray(seen.transpose(0, 2, 3, 1))
        return seen.reshape(count, seen.shape[1], -1)

    @cached_property
    def _cells(self) -> np.ndarray:
        """(P, 2), the centres of the cells."""
        return grid_of(self.height, self.width, max(1.0, min(self.height, self.width) / CELLS))

    def _windows(self, move: np.ndarray) -> np.ndarray:
        angle = math.radians(move[0])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        centre = (np.array([self.height, self.width]) - 1) / 2
        cells = (self._cells - centre) @ turn.T + centre + move[1:]
        cell = max(1.0, min(self.height, self.width) / CELLS)
        return windows_at(cells, self.height, self.width, WIDTH * cell)


def grid_of(height: int, width: int, cell: float) -> np.ndarray:
    """Returns the centres of cells that cover an image evenly.

    Args:
        height: of the image, in pixels.
        width: likewise.
        cell: side of a cell, in pixels, at least 1; it is rounded, so that whole cells fit.

    Returns:
        (P, 2), row by row, in pixels; the first pixel is at 0.
    """
    axes = []
    for side in (height, width):
        count = max(1, round(side / cell))
        axes.append((np.arange(count) + 0.5) * side / count - 0.5)
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)


def windows_at(points: np.ndarray, height: int, width: int, sigma: float) -> np.ndarray:
    """Returns the weights of all pixels in Gaussian windows, of sum 1.

    Args:
        points: (P, 2), centres in pixels; a window far outside has weights 0.
        height: of the images, in pixels.
        width: likewise.
        sigma: standard deviation, in pixels.

    Returns:
        float32 (P, height × width).
    """
    down, across = (
        np.exp(-(((np.arange(side) - points[:, [axis]]) / sigma) ** 2) / 2)
        for axis, side in enumerate((height, width))
    )
    weights = (down[:, :, None] * across[:, None, :]).reshape(len(points), -1)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    weights[weights < 1e-5] = 0  # smaller ones would be slow, denormal numbers
    small: np.ndarray = weights.astype(np.float32)
    return small
