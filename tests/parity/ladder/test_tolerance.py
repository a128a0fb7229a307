"""float64 allows one small number everywhere."""

from parity.ladder.rounding import FLOAT64, IMAGES_FLOAT32


def test_what_is_allowed_lies_between_rounding_and_the_smallest_known_fault():
    rounding, smallest_fault = 1e-14, 7e-12
    assert 10 * rounding < FLOAT64 < smallest_fault / 5


def test_images_may_be_rounded_the_other_way_but_no_more():
    unit = 2.0**-23
    assert 2 * unit < IMAGES_FLOAT32 < 5 * unit
