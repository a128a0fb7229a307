"""Views of images, by hand and against scipy."""

import numpy as np
import pytest
from scipy import ndimage

from parity.behaviour.audit.copies import blurred, shrink


def images(count=70, shape=(12, 9, 3), seed=0):
    return np.random.default_rng(seed).random((count, *shape), dtype=np.float32)


def test_small_images_are_only_selected():
    x = images()
    np.testing.assert_array_equal(shrink(x, np.array([5, 3])), x[[5, 3]])


def test_long_sides_are_averaged_down():
    x = images(80, (70, 32, 1))
    index = np.arange(79, -1, -1)
    # 70 rows make blocks of 3, of which the last row is left over; 32 columns stay.
    expected = x[index, :69].reshape(80, 23, 3, 32, 1).mean(axis=2)
    np.testing.assert_allclose(shrink(x, index), expected, rtol=1e-6)


def test_blurred_images_are_a_binomial_filter_at_half_the_resolution():
    x = images()
    weights = np.outer([1, 2, 1], [1, 2, 1])[None, :, :, None] / 16
    smooth = ndimage.convolve(x.astype(np.float64), weights, mode="nearest")
    small = smooth[:, :, :8].reshape(70, 6, 2, 4, 2, 3).mean(axis=(2, 4)).reshape(70, -1)
    small -= small.mean(axis=1, keepdims=True)
    small /= np.linalg.norm(small, axis=1, keepdims=True)
    np.testing.assert_allclose(blurred(x), small, atol=1e-5)


def test_blurred_images_do_not_show_brightness_and_contrast():
    x = images()
    np.testing.assert_allclose(blurred(0.3 * x + np.float32(0.5)), blurred(x), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (8, 2, 1), (28, 28, 1)], ids=str)
def test_images_of_one_colour_are_zero(shape):
    view = blurred(np.full((3, *shape), 0.3, np.float32))
    assert len(view) == 3
    assert not view.any()
