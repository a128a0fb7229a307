"""The exact nearest neighbours of vectors, in little memory.

|q - b|² = |q|² - 2 q·b + |b|² gives all distances of a block of queries by a matrix product. In
float32 it loses digits if vectors are long and distances short. So both sides are centred first, a
few more candidates are kept than needed, and their distances are computed again from the
differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
