"""Nearest neighbours against all distances, computed by scipy in float64."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from parity.behaviour.audit import copies
from parity.behaviour.audit.copies import nearest


def vectors(count, size, *, seed=0, offset=0.0, scale=1.0):
    return (offset + scale * np.random.default_rng(seed).random((count, size))).astype(np.float32)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize(
    ("offset", "scale"), [(0, 1), (0, 1e-3), (0.9, 1e-3)], ids=["unit", "dark", "bright and flat"]
)
def test_neighbours_are_those_of_all_distances(k, offset, scale):
    queries = vectors(300, 20, seed=1, offset=offset, scale=scale)
    base = vectors(500, 20, seed=2, offset=offset, scale=scale)
    distances = cdist(queries.astype(np.float64), base.astype(np.float64))
    found = nearest(queries, base, k)
    np.testing.assert_array_equal(found.index, np.argsort(distances, axis=1)[:, :k])
    np.testing.assert_allclose(found.distance, np.sort(distances, axis=1)[:, :k], rtol=1e-4)


def test_it_does_not_matter_where_blocks_end(monkeypatch):
    queries, base = vectors(50, 6, seed=1), vectors(40, 6, seed=2)
    whole = nearest(queries, base, 4)
    monkeypatch.setattr(copies, "BLOCK", 7)
    np.testing.assert_array_equal(nearest(queries, base, 4).index, whole.index)


def test_a_copy_is_at_distance_zero_and_the_first_of_equals_comes_first():
    base = vectors(30, 12)
    base[20] = base[4]
    found = nearest(base[[4]], base, 2)
    np.testing.assert_array_equal(found.index, [[4, 20]])
    np.testing.assert_array_equal(found.distance, [[0, 0]])


def test_a_small_base_is_returned_as_a_whole():
    base = np.array([[0.0], [3.0], [1.0]], np.float32)
    found = nearest(np.array([[0.9]], np.float32), base, 10)
    np.testing.assert_array_equal(found.index, [[2, 0, 1]])
    np.testing.assert_allclose(found.distance, [[0.1, 0.9, 2.1]], rtol=1e-5)
    others = nearest(base, base, 10, own=np.arange(3))
    np.testing.assert_array_equal(others.index, [[2, 1], [2, 0], [0, 1]])
