"""Coarse views of images at many positions: rotated, shifted, mirrored.

A view is what a grid of eight cells along the shorter side sees, each through a Gaussian window.
Windows that are placed where a change of position moves the cells see the image as if it had been
moved back, so no image is warped. A window is a product of one down and one across, so the shifts
down and those across are one matrix product each. The windows are wide enough for what lies between
two positions, and for a change of size by a tenth.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
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
        return np.array(list(itertools.product(self._angles, self._shifts, self._shifts)))

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
        """Returns (N, D) float32: normalised views of images as they are.

        D is the number of cells times that of the channels, channels first.
        """
        (down,), (across,) = ([w[:, 0] for w in ws] for ws in self._windows_of((0.0,), (0.0,)))
        windows = (down[:, :, None] * across[:, None]).reshape(len(down), -1)
        by_channel = images.transpose(0, 3, 1, 2).reshape(-1, windows.shape[1])
        return normalised((by_channel @ windows.T).reshape(len(images), -1), 1)

    def projected(self, images: np.ndarray, axes: np.ndarray) -> np.ndarray:
        """Projects the normalised views of images at each position on some axes.

        Args:
            images: float32 (N, H, W, C).
            axes: float32 (D, K).

        Returns:
            float32 (N, 2 V, K): at each position, then at each one of the mirrored images.
        """
        count, height, width, channels = images.shape
        shifts, cells, size = len(self._shifts), len(self._cells), axes.shape[1]
        by_row = np.ascontiguousarray(images.transpose(3, 1, 0, 2)).reshape(channels, height, -1)
        both = self._both_ways(axes.reshape(channels, cells, size))
        projected = np.empty((count, 2, len(self._angles), shifts, shifts, size), np.float32)
        for number, (down, across) in enumerate(zip(*self._windows, strict=True)):
            # (C, cells, shifts down, images, shifts across)
            seen = down.reshape(-1, height) @ by_row
            seen = seen.reshape(channels, cells, shifts * count, width) @ across.transpose(0, 2, 1)
            seen = seen.reshape(channels * cells, -1)
            seen -= seen.mean(axis=0)
            norm = np.sqrt(np.einsum("dn,dn->n", seen, seen))
            found = seen.T @ both
            found /= floored(norm, len(seen))[:, None]
            found = found.reshape(shifts, count, shifts, 2, size)
            projected[:, 0, number] = found[:, :, :, 0].transpose(1, 0, 2, 3)
            # Seen in the mirrored image, rotations and shifts across are the other way round.
            projected[:, 1, -1 - number] = found[:, :, ::-1, 1].transpose(1, 0, 2, 3)
        return projected.reshape(count, -1, size)

    @property
    def _can_move(self) -> bool:
        return min(self.height, self.width) >= MIN_SIDE

    @property
    def _angles(self) -> tuple[float, ...]:
        return ANGLES if self._can_move else (0.0,)

    @property
    def _shifts(self) -> tuple[float, ...]:
        reach = max(1.0, REACH * min(self.height, self.width))
        return tuple(reach * shift for shift in SHIFTS) if self._can_move else (0.0,)

    @property
    def _cell(self) -> float:
        return max(1.0, min(self.height, self.width) / CELLS)

    @cached_property
    def _cells(self) -> np.ndarray:
        """(P, 2), the centres of the cells, row by row."""
        axes = (centres(side, self._cell) for side in (self.height, self.width))
        return np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)

    def _both_ways(self, axes: np.ndarray) -> np.ndarray:
        """Returns (D, 2 K): axes of views, and of those whose cells are mirrored."""
        channels, cells, size = axes.shape
        across = len(centres(self.width, self._cell))
        mirrored = axes.reshape(channels, -1, across, size)[:, :, ::-1].reshape(axes.shape)
        return np.concatenate([axes, mirrored], axis=2).reshape(channels * cells, 2 * size)

    @cached_property
    def _windows(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        return self._windows_of(self._angles, self._shifts)

    def _windows_of(
        self, angles: Sequence[float], shifts: Sequence[float]
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Returns (cells, shifts, H) of each angle, and (cells, shifts, W)."""
        centre = (np.array([self.height, self.width]) - 1) / 2
        windows: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
        for angle in map(math.radians, angles):
            cos, sin = math.cos(angle), math.sin(angle)
            cells = (self._cells - centre) @ np.array([[cos, sin], [-sin, cos]]) + centre
            for axis, side in enumerate((self.height, self.width)):
                points = cells[:, axis, None] + np.array(shifts)
                of_axis = windows_at(points.ravel(), side, WIDTH * self._cell)
                windows[axis].append(of_axis.reshape(*points.shape, side))
        return windows


def centres(side: int, cell: float) -> np.ndarray:
    """Returns the centres of cells that cover a side evenly, in pixels; the first pixel is at 0.

    Args:
        side: in pixels.
        cell: side of a cell, in pixels, at least 1; it is rounded, so that whole cells fit.
    """
    count = max(1, round(side / cell))
    places: np.ndarray = (np.arange(count) + 0.5) * side / count - 0.5
    return places


def windows_at(points: np.ndarray, side: int, sigma: float) -> np.ndarray:
    """Returns the weights of the pixels of a side in Gaussian windows, of sum 1.

    Args:
        points: (P,), centres in pixels; a window far outside has weights 0.
        side: in pixels.
        sigma: standard deviation, in pixels.

    Returns:
        float32 (P, side).
    """
    weights = np.exp(-(((np.arange(side) - points[:, None]) / sigma) ** 2) / 2)
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    weights[weights < 1e-5] = 0  # smaller ones would be slow, denormal numbers
    small: np.ndarray = weights.astype(np.float32)
    return small


def normalised(array: np.ndarray, axes: int) -> np.ndarray:
    """Flattens the last axes and normalises to mean 0 and norm 1; flat images become 0."""
    rows: np.ndarray = array.reshape(*array.shape[:axes], -1)
    rows = rows - rows.mean(axis=-1, keepdims=True)
    norm = np.sqrt(np.einsum("...d,...d->...", rows, rows))[..., None]
    rows /= floored(norm, rows.shape[-1])
    return rows


def floored(norm: np.ndarray, size: int) -> np.ndarray:
    """Returns norms, infinite for constant images: theirs is rounding, and must not be scaled up.

    Args:
        norm: of centred images.
        size: number of their values.
    """
    return np.where(norm > np.float32(1e-5 * math.sqrt(size)), norm, np.float32(np.inf))
