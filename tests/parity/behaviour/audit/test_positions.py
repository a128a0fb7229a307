"""Coarse views: windows by hand, and views of moved images."""

import numpy as np
import pytest
from scipy import ndimage

from parity.behaviour.audit.positions import Positions, centres, windows_at


def test_cells_cover_a_side_evenly():
    assert centres(4, 2.0).tolist() == [0.5, 2.5]


def test_a_window_is_a_normal_density_over_the_pixels():
    (weights,) = windows_at(np.array([2.0]), 5, 0.8)
    expected = np.exp(-((np.arange(5) - 2) ** 2) / (2 * 0.8**2))
    np.testing.assert_allclose(weights, expected / expected.sum(), atol=2e-5)


def test_a_window_far_outside_sees_nothing():
    assert not windows_at(np.array([-500.0]), 5, 0.8).any()


def test_the_view_of_a_moved_image_at_its_move_is_that_of_the_image():
    patch = np.random.default_rng(0).random((1, 12, 12, 1), dtype=np.float32)
    image = np.pad(patch, ((0, 0), (8, 8), (8, 8), (0, 0)))  # nothing leaves it by a shift
    positions = Positions(28, 28)
    moves = positions.moves
    number = int(np.flatnonzero((moves == [0, 3, 0]).all(axis=1))[0])
    moved = ndimage.shift(image, (0, moves[number, 1], 0, 0), order=1)
    expected = positions.view(image)[0]
    seen = positions.projected(moved, np.eye(64, dtype=np.float32))[0]
    distance = np.linalg.norm(seen - expected, axis=1)
    assert distance.argmin() == number
    assert distance[number] < 0.02


def test_a_view_is_what_rotated_and_shifted_windows_see():
    """In colour, on no square, at 4 degrees, 0.4 reaches down and 0.75 to the left."""
    image = np.random.default_rng(0).random((1, 17, 24, 2), dtype=np.float32)
    positions = Positions(17, 24)
    reach = 17 * 3 / 28
    move = [4.0, 0.4 * reach, -0.75 * reach]
    number = int(np.flatnonzero(np.isclose(positions.moves, move).all(axis=1))[0])
    cos, sin = np.cos(np.deg2rad(4)), np.sin(np.deg2rad(4))
    down, across = np.mgrid[:17, :24]
    expected = []
    for channel in range(2):
        for y in (np.arange(8) + 0.5) * 17 / 8 - 8.5:
            for x in (np.arange(11) + 0.5) * 24 / 11 - 12:
                at = (8 + cos * y - sin * x + move[1], 11.5 + sin * y + cos * x + move[2])
                square = (down - at[0]) ** 2 + (across - at[1]) ** 2
                window = np.exp(-square / 2 / (0.45 * 17 / 8) ** 2)
                expected.append((window * image[0, ..., channel]).sum() / window.sum())
    expected -= np.mean(expected)
    seen = positions.projected(image, np.eye(2 * 88, dtype=np.float32))[0, number]
    np.testing.assert_allclose(seen, expected / np.linalg.norm(expected), atol=2e-4)


def test_the_second_half_of_views_is_that_of_mirrored_images():
    generator = np.random.default_rng(1)
    images = generator.random((3, 9, 12, 3), dtype=np.float32)
    positions = Positions(9, 12)
    axes = generator.random((positions.view(images).shape[1], 5), dtype=np.float32)
    seen, of_mirrored = (positions.projected(x, axes) for x in (images, images[:, :, ::-1]))
    half = len(positions.moves)
    # Weights below 1e-5 are left out: rounding decides where they are equal.
    np.testing.assert_allclose(seen[:, half:], of_mirrored[:, :half], atol=5e-5)


@pytest.mark.parametrize(
    ("side", "num_moves", "num_first"), [(28, 245, 27), (8, 245, 27), (7, 1, 1)]
)
def test_small_images_are_not_moved(side, num_moves, num_first):
    positions = Positions(side, 40)
    assert (len(positions.moves), len(positions.first)) == (num_moves, num_first)
    assert np.abs(positions.moves[:, 1:]).max() == (max(1.0, side * 3 / 28) if side > 7 else 0)
