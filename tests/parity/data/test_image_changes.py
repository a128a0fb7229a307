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


def turned(degrees):
    """The pattern, turned counter-clockwise about its middle, outside continued by its planes."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] - (np.array(SIZE) - 1).reshape(2, 1, 1) / 2
    sin, cos = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    basis = np.stack([np.ones_like(x), x, y], -1).reshape(-1, 3)
    planes = np.linalg.lstsq(basis, IMAGE.reshape(-1, 3), rcond=None)[0]
    return np.stack([np.ones_like(x), cos * x - sin * y, sin * x + cos * y], -1) @ planes


# The middle does not see what comes round. A lost pattern tells nothing of its place.
@each_row(
    ("image", "expected"),
    [
        (IMAGE, dict.fromkeys(QUANTITIES, 0)),
        *(
            (turned(angle), {"angle": angle, "width": 0})
            for angle in (-80.0, -36.0, 0.5, 17.0, 89.0)
        ),
        (
            np.roll(IMAGE, (3, 2), axis=(0, 1)),
            {"shift right": 2 / SIZE[1], "shift down": 3 / SIZE[0]},
        ),
        (np.full_like(IMAGE, 0.3), dict.fromkeys(QUANTITIES[:7], 0)),
    ],
)
def test_what_moves_an_image_is_measured(image, expected):
    found = changes(image)
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


def test_one_channel_needs_two_patterns():
    assert (num_patterns(1), num_patterns(2), num_patterns(3)) == (2, 1, 1)
    parts = []
    for number in range(2):
        before = pattern(*SIZE, 1, number)
        parts.append(measured(np.roll(before, (3, 2), axis=(0, 1))[::-1][None], before))
    found = {name: values[0] for name, values in by_name(joined(parts)).items()}
    assert (found["left and right"], found["top and bottom"]) == (0, 1)
    shifts = found["shift right"], abs(found["shift down"])
    assert shifts == pytest.approx((2 / SIZE[1], 3 / SIZE[0]))


def test_images_that_are_cut_are_measured_in_the_units_of_the_whole():
    found = changes(IMAGE[4:22, 3:19])
    assert found["shift right"] == pytest.approx((1.5 - 2.5) / SIZE[1], abs=0.1)
    assert found["angle"] == pytest.approx(0, abs=1e-9)
