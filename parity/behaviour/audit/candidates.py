"""For each image, the training images that may be its source, and how it may have been moved.

All training images are compared at a few positions by their coarse views. The best of them are
compared at all positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from parity.behaviour.audit.positions import Positions

DIMENSIONS = 32  # principal components of the views that are compared
COMPARED = 128  # training images that are compared at all positions
_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Candidates:
    """Training images for each image, the most similar first.

    Attributes:
        index: int64 (Q, k), of training images.
        is_mirrored: bool (Q, k), whether the mirrored image is more similar.
        move: (Q, k, 3), degrees, pixels down, pixels across: `Positions.moves`.
    """

    index: np.ndarray
    is_mirrored: np.ndarray
    move: np.ndarray


class Search:
    """The views of training images, in which candidates are looked for.

    Args:
        train: float32 (N, H, W, C).
    """

    def __init__(self, train: np.ndarray) -> None:
        self._positions = Positions(*train.shape[1:3])
        views = self._positions.view(train)
        self._mean = views.mean(axis=0)
        views -= self._mean
        _, axes = np.linalg.eigh(views.T @ views)
        self._axes = np.ascontiguousarray(axes[:, ::-1][:, :DIMENSIONS])
        base = views @ self._axes
        self._half_squares = np.einsum("nd,nd->n", base, base) / 2
        self._base = np.concatenate([base, np.full((len(base), 1), -1, np.float32)], axis=1)

    def candidates(
        self, images: np.ndarray, k: int, *, own: np.ndarray | None = None
    ) -> Candidates:
        """Returns the k nearest training images of each image.

        Args:
            images: float32 (Q, H, W, C).
            k: number of candidates; fewer if there are not as many training images.
            own: int64 (Q,), the index of each image in training, which does not count.
        """
        k = min(k, len(self._base) - (own is not None))
        index = np.empty((len(images), k), np.int64)
        position = np.empty((len(images), k), np.int64)
        for start in range(0, len(images), _BLOCK):
            rows = slice(start, start + _BLOCK)
            its_own = None if own is None else own[rows]
            index[rows], position[rows] = self._of_block(images[rows], k, its_own)
        moves = self._positions.moves
        return Candidates(index, position >= len(moves), moves[position % len(moves)])

    def _of_block(
        self, images: np.ndarray, k: int, own: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        views = self._positions.projected(images, self._axes) - self._mean @ self._axes
        half_squares = np.einsum("qvd,qvd->qv", views, views)[..., None] / 2
        # -|v - b|² / 2 = (v, |v|² / 2)·(b, -1) - |b|² / 2, at the best of the first positions
        views = np.concatenate([views, half_squares], axis=2)
        first, count = self._positions.first, len(self._positions.moves)
        nearness = np.full((len(images), len(self._base)), -np.inf, np.float32)
        at_this = np.empty_like(nearness)
        for number in (*first, *(first + count)):
            np.matmul(views[:, number], self._base.T, out=at_this)
            np.maximum(nearness, at_this, out=nearness)
        nearness -= self._half_squares
        rows = np.arange(len(images))
        if own is not None:
            nearness[rows, own] = -np.inf
        compared = min(max(COMPARED, k), nearness.shape[1] - (own is not None))
        best = np.argpartition(nearness, -compared, axis=1)[:, -compared:]
        at_all = self._base[best] @ views.transpose(0, 2, 1)
        position = at_all.argmax(axis=2)
        nearness = np.take_along_axis(at_all, position[..., None], axis=2)[..., 0]
        nearness -= self._half_squares[best]
        order = np.lexsort((best, -nearness), axis=-1)[:, :k]
        return (
            np.take_along_axis(best, order, axis=1),
            np.take_along_axis(position, order, axis=1),
        )
