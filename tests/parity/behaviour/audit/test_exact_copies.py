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


def test_copies_are_counted_with_their_labels(originals):
    found = originals.copies(np.stack([C, B, B, C]), np.array([1, 1, 2, 1]))
    assert found == Copies(count=2, fraction=0.5, num_other_label=1, pairs=((2, 1), (1, 1)))


def test_an_image_that_training_has_under_both_labels_is_a_contradiction(originals):
    found = originals.copies(A[None], np.array([7]))
    assert found == Copies(count=1, fraction=1, num_other_label=1, pairs=((0, 3),))


def test_within_training_the_first_one_is_no_copy(originals):
    found = originals.copies(TRAIN, Y_TRAIN, is_training=True)
    # Image 2 repeats 0 and contradicts 3; image 3 contradicts 0.
    assert found == Copies(count=2, fraction=2 / 6, num_other_label=2, pairs=((2, 3), (3, 0)))


def test_blank_images_are_no_copies(originals):
    assert originals.copies(GREY[None], np.array([5])).count == 0
    assert are_blank(np.stack([A, GREY])).tolist() == [False, True]


def test_a_difference_in_the_last_bit_is_no_copy(originals):
    other = A.copy()
    other[0, 1] = np.nextafter(other[0, 1], np.float32(1))
    assert originals.copies(other[None], np.array([7])).count == 0


def test_no_more_than_five_pairs_are_given(originals):
    found = originals.copies(np.stack([B] * 9), np.ones(9, np.int64))
    assert (found.count, found.pairs) == (9, tuple((index, 1) for index in range(5)))
