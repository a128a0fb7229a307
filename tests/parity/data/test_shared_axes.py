"""Axes along which masks are the same, unless single values may be so by chance."""

import numpy as np
from rows import each_row

from parity.data.draws import shared_axes

RANDOM = np.random.default_rng(0)


def drawn(*shape, rate=0.5):
    return RANDOM.random(shape) >= rate


@each_row(
    ("mask", "axes"),
    [
        (drawn(4, 6, 9), []),
        (np.broadcast_to(drawn(4, 1, 9), (4, 6, 9)), [1]),
        (np.broadcast_to(drawn(4, 1, 1, 9), (4, 2, 3, 9)), [1, 2]),
        (np.broadcast_to(drawn(40, 1, 1), (40, 6, 9)), [1, 2]),
        (np.broadcast_to(drawn(1, 6, 9), (4, 6, 9)), [0]),
        (np.where(np.broadcast_to(drawn(4, 6, 1), (4, 6, 9)), 2.0, -1.5), [2]),
        (drawn(4, 1, 9), []),
    ],
)
def test_axes_along_which_a_mask_is_the_same(mask, axes):
    assert shared_axes([mask]) == axes


@each_row(
    "mask",
    [
        np.ones((4, 6, 9), bool),
        np.zeros((4, 6, 9), bool),
        # One of 20 channels is dropped, in both of its places: at that rate two of 40 often are.
        np.broadcast_to((np.arange(20) > 0).reshape(4, 1, 5), (4, 2, 5)),
    ],
)
def test_a_mask_that_single_values_may_have_tells_nothing(mask):
    assert shared_axes([mask]) is None


def test_the_more_is_dropped_the_less_it_is_chance():
    """5 of 12 channels in both of two places: by chance once in (7/12)^7 (5/12)^5, 3e-4."""
    kept = (np.arange(12) < 7).reshape(1, 1, 12)
    two, four = (np.broadcast_to(kept, (1, places, 12)) for places in (2, 4))
    assert shared_axes([two]) is None
    assert shared_axes([four]) == shared_axes([two, two]) == [1]


def test_what_is_no_rule_in_one_mask_is_none():
    assert shared_axes([np.broadcast_to(drawn(4, 1, 9), (4, 6, 9)), drawn(3, 6, 9)]) == []
