"""Candidates: the sources of moved images are among them."""

import math

import numpy as np
import pytest

from parity.behaviour.audit.candidates import Search
from parity.behaviour.audit.registration import similarity, warped
from parity.data.load import load_data


def digits(count):
    return load_data("embedded", train=count, val=10, test=1).x_train


@pytest.mark.parametrize("is_mirrored", [False, True])
def test_the_source_of_a_moved_image_is_a_candidate(is_mirrored):
    images = digits(500)
    copies = warped(
        images[:100],
        np.arange(100),
        similarity(np.full(100, math.radians(6)), 1.0, np.full(100, 1.5), np.full(100, -1.5)),
    )[0].reshape(100, 28, 28, 1)
    if is_mirrored:
        copies = np.ascontiguousarray(copies[:, :, ::-1])
    found = Search(images).candidates(copies, 12)
    is_source = found.index == np.arange(100)[:, None]
    assert is_source.any(axis=1).mean() >= 0.95
    assert (found.is_mirrored[is_source] == is_mirrored).mean() >= 0.95


def test_an_image_is_no_candidate_of_itself():
    images = digits(60)
    found = Search(images).candidates(images, 12, own=np.arange(60))
    assert not (found.index == np.arange(60)[:, None]).any()
