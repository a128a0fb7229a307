"""Copies bit for bit, by hand on a few images."""

import numpy as np
import pytest

from parity.behaviour.audit.copies import Copies, Originals, are_blank


def image(*values):
    """Of 2×2 pixels in one channel."""
    return np.array(values, np.float32).reshape(2, 2, 1)


A, B, C = image(0, 0.1, 0.2, 0.3), image(0.5, 0, 0, 1), image(1, 1, 0, 1)
GREY = image(0.5, 0.5, 0.5, 0.5)
TRAIN = np.stack([A, B, A, A, GREY, GREY])
Y_TRAIN = np.array([7, 1, 7, 3, 0, 0])


@pytest.fixture
def originals():
    return Originals(TRAIN, Y_TRAIN)


def test_each_content_has_one_original(originals):
    assert originals.index.tolist() == [0, 1, 4]
    assert originals.contain(np.stack([C, B, GREY])).tolist() == [False, True, True]


NONE = Copies(count=0, fraction=0, num_other_label=0, pairs=())
# Images with their labels, and which of them are copies.
COUNTED = {
    "with their labels": (
        (np.stack([C, B, B, C]), np.array([1, 1, 2, 1])),
        Copies(count=2, fraction=0.5, num_other_label=1, pairs=((2, 1), (1, 1))),
    ),
    "an image that training has under both labels is a contradiction": (
        (A[None], np.array([7])),
        Copies(count=1, fraction=1, num_other_label=1, pairs=((0, 3),)),
    ),
    "blank images are no copies": ((GREY[None], np.array([5])), NONE),
    "a difference in the last bit": (
        (image(0, np.nextafter(np.float32(0.1), np.float32(1)), 0.2, 0.3)[None], np.array([7])),
        NONE,
    ),
    "no more than five pairs are given": (
        (np.stack([B] * 9), np.ones(9, np.int64)),
        Copies(count=9, fraction=1, num_other_label=0, pairs=tuple((n, 1) for n in range(5))),
    ),
}


@pytest.mark.parametrize(("images", "expected"), COUNTED.values(), ids=COUNTED)
def test_copies_are_counted(originals, images, expected):
    assert originals.copies(*images) == expected


def test_within_training_the_first_one_is_no_copy(originals):
    found = originals.copies(TRAIN, Y_TRAIN, is_training=True)
    # Image 2 repeats 0 and contradicts 3; image 3 contradicts 0.
    assert found == Copies(count=2, fraction=2 / 6, num_other_label=2, pairs=((2, 3), (3, 0)))


def test_an_image_of_one_colour_is_blank():
    assert are_blank(np.stack([A, GREY])).tolist() == [False, True]
