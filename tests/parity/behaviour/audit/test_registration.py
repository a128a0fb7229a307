"""Registration undoes known changes of position."""

import math

import numpy as np
import pytest

from parity.behaviour.audit.candidates import Candidates
from parity.behaviour.audit.registration import Registration, inverse, similarity, warped
from parity.data.load import load_data


def digits(count):
    return load_data("embedded", train=count, val=10, test=1).x_train


def moved(images, degrees=0.0, size=1.0, down=0.0, across=0.0):
    count = len(images)
    four = (np.full(count, value) for value in (math.radians(degrees), size, down, across))
    return warped(images, np.arange(count), similarity(*four))[0].reshape(images.shape)


def at_rest(index):
    return Candidates(index, np.zeros(index.shape, bool), np.zeros((*index.shape, 3)))


def test_a_warp_by_whole_pixels_is_a_shift():
    images = np.random.default_rng(0).random((2, 9, 8, 3), dtype=np.float32)
    np.testing.assert_allclose(
        moved(images, down=2, across=-1)[:, :7, 1:], images[:, 2:, :7], atol=1e-6
    )


def test_a_quarter_turn_is_that_of_numpy():
    images = np.random.default_rng(0).random((1, 8, 8, 1), dtype=np.float32)
    turned = moved(images, degrees=90)[0, ..., 0]
    expected = np.rot90(images[0, ..., 0], 1), np.rot90(images[0, ..., 0], -1)
    assert min(np.abs(turned - one).max() for one in expected) < 1e-5


def test_the_inverse_leads_back():
    warp = similarity(*(np.array([x]) for x in (0.3, 1.2, 2.0, -1.0)))
    back = inverse(warp)
    np.testing.assert_allclose(back[0, :, :2] @ warp[0, :, :2], np.eye(2), atol=1e-12)
    np.testing.assert_allclose(back[0, :, :2] @ warp[0, :, 2] + back[0, :, 2], 0, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [{"degrees": 5}, {"size": 1.08}, {"down": 1.0, "across": -1.0}, {"degrees": -4, "down": 1.0}],
    ids=str,
)
def test_a_changed_copy_is_much_nearer_after_registration_and_is_moved(change):
    images = digits(60)
    found = Registration(images).compare(moved(images, **change), at_rest(np.arange(60)[:, None]))
    before = np.sqrt(
        2
        - 2
        * np.array(
            [
                np.corrcoef(a.ravel(), b.ravel())[0, 1]
                for a, b in zip(images, moved(images, **change), strict=True)
            ]
        )
    )
    assert np.median(found.distance) < 0.15
    assert np.median(found.distance[:, 0] / before) < 0.3
    assert found.is_moved.mean() > 0.95


def test_an_image_is_at_rest_on_itself():
    images = digits(60)
    found = Registration(images).compare(images * np.float32(0.7), at_rest(np.arange(60)[:, None]))
    assert found.distance.max() < 5e-3
    assert not found.is_moved.any()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_mirrored_copy_is_found_and_is_moved_only_if_it_is(channels):
    generator = np.random.default_rng(0)
    weights = generator.uniform(0.2, 1, channels).astype(np.float32)
    images = digits(60) * weights
    index, mirrored = np.arange(60)[:, None], np.ones((60, 1), bool)
    candidates = Candidates(index, mirrored, np.zeros((60, 1, 3)))
    copies = np.ascontiguousarray(images[:, :, ::-1])
    found = Registration(images).compare(copies, candidates)
    assert found.distance.max() < 5e-3
    assert not found.is_moved.any()
    found = Registration(images).compare(moved(copies, degrees=5, across=1), candidates)
    assert np.median(found.distance) < 0.15
    assert found.is_moved.mean() > 0.95


def test_images_of_one_colour_are_as_far_as_unrelated_ones():
    images = np.full((2, 8, 8, 1), 0.3, np.float32)
    found = Registration(images).compare(images, at_rest(np.array([[1], [0]])))
    np.testing.assert_allclose(found.distance, math.sqrt(2), rtol=1e-6)
