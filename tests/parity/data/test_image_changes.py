"""What an augmentation does is measured on a pattern: by hand, on images that are moved exactly."""

import numpy as np
import pytest
from rows import each_row

from parity.data.image_changes import (
    QUANTITIES,
    by_name,
    joined,
    measured,
    num_patterns,
    pattern,
)

SIZE = (24, 20)
IMAGE = pattern(*SIZE, 3)


def changes(image, before=IMAGE):
    return {name: values[0] for name, values in by_name(measured(image[None], before)).items()}


def differing(image, before=IMAGE):
    return {name: v for name, v in changes(image, before).items() if abs(v) > 1e-9}


def turned(degrees, channels=3):
    """The pattern, turned counter-clockwise about its middle, outside continued by its planes."""
    height, width = SIZE
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = x - (width - 1) / 2, y - (height - 1) / 2
    angle = np.radians(degrees)
    at_x, at_y = np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y
    basis = np.stack([np.ones_like(x), x, y], -1).reshape(-1, 3)
    planes = np.linalg.lstsq(basis, pattern(*SIZE, channels).reshape(-1, channels), rcond=None)[0]
    return np.stack([np.ones_like(x), at_x, at_y], -1) @ planes


def test_an_unchanged_image_has_no_changes():
    assert differing(IMAGE) == {}


@each_row("degrees", [-80.0, -36.0, 0.5, 17.0, 89.0])
def test_an_angle_is_measured_in_degrees(degrees):
    found = changes(turned(degrees))
    assert found["angle"] == pytest.approx(degrees, abs=1e-9)
    assert found["width"] == pytest.approx(0, abs=1e-9)


def test_an_image_that_moves_to_the_right_has_a_positive_shift():
    moved = np.roll(IMAGE, (3, 2), axis=(0, 1))  # the middle does not see what comes round
    found = changes(moved)
    assert found["shift right"] == pytest.approx(2 / SIZE[1])
    assert found["shift down"] == pytest.approx(3 / SIZE[0])


def test_a_lost_pattern_tells_nothing_of_its_place():
    found = changes(np.full_like(IMAGE, 0.3))
    assert [found[name] for name in QUANTITIES[:7]] == [0] * 7


def test_one_channel_needs_two_patterns():
    assert (num_patterns(1), num_patterns(2), num_patterns(3)) == (2, 1, 1)
    parts = []
    for number in range(2):
        before = pattern(*SIZE, 1, number)
        moved = np.roll(before, (3, 2), axis=(0, 1))[::-1]
        parts.append(measured(moved[None], before))
    found = {name: values[0] for name, values in by_name(joined(parts)).items()}
    assert (found["left and right"], found["top and bottom"]) == (0, 1)
    assert found["shift right"] == pytest.approx(2 / SIZE[1])
    assert abs(found["shift down"]) == pytest.approx(3 / SIZE[0])


def test_images_that_are_cut_are_measured_in_the_units_of_the_whole():
    cut = IMAGE[4:22, 3:19]
    found = changes(cut)
    assert found["shift right"] == pytest.approx((1.5 - 2.5) / SIZE[1], abs=0.1)
    assert found["angle"] == pytest.approx(0, abs=1e-9)
