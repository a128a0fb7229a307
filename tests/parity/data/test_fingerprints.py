"""Two numbers for an image, which change with any change of a batch that matters."""

import numpy as np
import pytest

from parity.data.image_changes import fingerprints


@pytest.fixture
def images():
    return np.random.default_rng(5).random((4, 6, 5, 3)).astype(np.float32)


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[[1, 0, 2, 3]],
        lambda x: x[:, ::-1],
        lambda x: x[:, :, ::-1],
        lambda x: x[..., [1, 0, 2]],
        lambda x: np.roll(x, 1, axis=2),
    ],
    ids=["order", "upside down", "mirrored", "channels", "shifted"],
)
def test_another_order_of_images_or_pixels_gives_other_numbers(images, change):
    apart = np.abs(fingerprints(change(images)) - fingerprints(images)).max(axis=1)
    assert (apart > 1e-3).any()


def test_rounding_of_pixels_moves_them_by_no_more(images):
    moved = images + np.float32(3e-7)
    apart = np.abs(fingerprints(moved) - fingerprints(images)).max()
    assert apart <= np.abs(moved.astype(np.float64) - images).max()
