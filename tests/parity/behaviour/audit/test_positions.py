"""Coarse views: windows by hand, and views of moved images."""

import numpy as np
import pytest
from scipy import ndimage

from parity.behaviour.audit.positions import Positions, grid_of, windows_at
from parity.data.load import load_data


def test_cells_cover_an_image_evenly():
    assert grid_of(4, 2, 2.0).tolist() == [[0.5, 0.5], [2.5, 0.5]]


def test_a_window_is_a_normal_density_over_the_pixels():
    (weights,) = windows_at(np.array([[2.0, 1.0]]), 5, 3, 0.8)
    down, across = np.mgrid[:5, :3]
    expected = np.exp(-((down - 2) ** 2 + (across - 1) ** 2) / (2 * 0.8**2))
    np.testing.assert_allclose(weights, (expected / expected.sum()).ravel(), atol=2e-5)


def test_a_window_far_outside_sees_nothing():
    assert not windows_at(np.array([[-500.0, 0.0]]), 5, 3, 0.8).any()


def test_the_view_of_a_moved_image_at_its_move_is_that_of_the_image():
    image = load_data("embedded", train=1, val=1, test=1).x_train
    positions = Positions(28, 28)
    moves = positions.moves
    number = int(np.flatnonzero((moves == [0, 3 * 0.75, 0]).all(axis=1))[0])
    moved = ndimage.shift(image, (0, moves[number, 1], 0, 0), order=1)
    seen, expected = positions.views(moved)[0], positions.view(image)[0]
    distance = np.linalg.norm(seen - expected, axis=1)
    assert distance.argmin() == number
    assert distance[number] < 0.1 * np.linalg.norm(expected)


@pytest.mark.parametrize(
    ("side", "num_moves", "num_first"), [(28, 245, 27), (8, 245, 27), (7, 1, 1)]
)
def test_small_images_are_not_moved(side, num_moves, num_first):
    positions = Positions(side, 40)
    assert (len(positions.moves), len(positions.first)) == (num_moves, num_first)
    assert np.abs(positions.moves[:, 1:]).max() == (max(1.0, side * 3 / 28) if side > 7 else 0)
