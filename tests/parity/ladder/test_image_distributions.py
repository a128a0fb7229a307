"""Distributions of image changes: equal ones pass, a planted difference fails in any seed."""

import numpy as np
import pytest

from parity.data.image_changes import QUANTITIES
from parity.ladder.comparers.forward import layers_before, maker_of, of_images, p_value, said

LIMIT = 1e-3 / len(QUANTITIES)
KERAS, PORT = 512, 256


def uniform(seed, high, size, low=None):
    return np.random.default_rng(seed).uniform(-high if low is None else low, high, size)


def flips(seed, share, size):
    return (np.random.default_rng(seed).random(size) < share).astype(float)


@pytest.mark.parametrize("name", ["angle", "width", "shift right", "contrast"])
def test_the_same_range_is_told_different_in_no_seed(name):
    scale = 36.0 if name == "angle" else 0.2
    found = [
        p_value(name, uniform(seed, scale, KERAS), uniform(seed + 1000, scale, PORT))
        for seed in range(100)
    ]
    assert min(found) > LIMIT


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("angle", 36.0, 0.1),
        ("angle", 36.0, 18.0),
        ("angle", 36.0, 30.0),
        ("width", 0.2, 0.1),
        ("shift right", 0.2, 0.1),
    ],
)
def test_another_range_is_told_in_every_seed(name, theirs, ours):
    for seed in range(20):
        pair = uniform(seed, theirs, KERAS), uniform(seed + 1000, ours, PORT)
        assert p_value(name, *pair) < LIMIT
        assert p_value(name, *pair[::-1]) < LIMIT


def test_half_of_the_images_is_not_all_and_not_none_of_them():
    for seed in range(20):
        half = flips(seed, 0.5, KERAS)
        assert p_value("left and right", half, flips(seed + 1000, 0.5, PORT)) > LIMIT
        for share in (0.0, 1.0):
            assert p_value("left and right", half, np.full(PORT, share)) < LIMIT


def test_rounding_is_no_difference():
    values = np.repeat([0.0, 130.0], 200)
    assert p_value("angle", values, values[::4] + 1e-6) > LIMIT


def test_whole_pixels_are_as_good_as_parts_of_them():
    theirs = uniform(0, 0.2, KERAS)
    ours = np.round(uniform(1, 0.2, PORT) * 20) / 20
    assert p_value("shift right", theirs, ours, 0.6 / 20) > LIMIT


def test_a_sample_is_told_in_words():
    assert said("angle", np.array([-36.0, 12.0])) == "-36 to 12 degrees"
    assert said("top and bottom", np.array([0.0, 1.0])) == "top and bottom exchanged in 50%"
    assert said("width", np.log([0.8, 1.2])) == "zoom of the width 0.8 to 1.2"
    assert said("angle", np.array([np.nan])) == "nothing that can be seen"


# --- of a whole check -----------------------------------------------------------------------------

NODES = [
    {"name": "flip", "kind": "random_image:RandomFlip", "sources": [-1], "input_shapes": [[4]]},
    {"name": "turn", "kind": "random_image:RandomRotation", "sources": [0], "input_shapes": [[4]]},
    {"name": "conv", "kind": "conv", "sources": [1], "input_shapes": [[4, 24, 20, 3]]},
]


class Stub(dict):
    """A trace with arrays and facts."""

    def __init__(self, arrays, facts):
        super().__init__(arrays)
        self.facts = facts


def table(seed, angle, size):
    found = np.zeros((size, len(QUANTITIES)))
    found[:, QUANTITIES.index("left and right")] = flips(seed, 0.5, size)
    found[:, QUANTITIES.index("angle")] = uniform(seed + 50, angle, size)
    return found


def test_layers_are_told_by_what_they_change():
    layers = layers_before(NODES, "conv")
    assert [node["name"] for node in layers] == ["flip", "turn"]
    assert maker_of("angle", layers) == "turn"
    assert maker_of("top and bottom", layers) == "flip"
    assert maker_of("shift down", layers) == "turn"  # it moves images, too
    assert layers_before(NODES, "unknown") == []


TOLD = {"is_on": True, "in_eval": False, "by_batch": False, "given": None}
# What the port changes, what it tells, how many items there are, and which of them fail.
CASES = {
    "the same": (table(1, 36.0, PORT), {}, 1 + len(QUANTITIES), []),
    # Another angle is told of the layer that turns.
    "another angle": (table(1, 0.1, PORT), {}, 1 + len(QUANTITIES), ["turn, drawn angle (train)"]),
    "in eval mode": (table(1, 36.0, PORT), {"in_eval": True}, 1, ["flip (eval)"]),
    "none": (table(1, 36.0, PORT), {"is_on": False}, 1, []),
    "another form": (np.zeros((3, 2)), {}, 2, ["flip, drawn images (train)"]),
}


@pytest.mark.parametrize(("ours", "told", "number", "fails"), CASES.values(), ids=CASES)
def test_an_augmentation_is_compared_by_what_it_changes(ours, told, number, fails):
    keras = Stub({"image_changes/conv/0": table(0, 36.0, KERAS)}, {"nodes": NODES})
    port = Stub({"image_changes/conv/0": ours}, {"augmentation": {"conv/0": TOLD | told}})
    items = list(of_images(keras, port))
    assert items[0].name == "flip (eval)"
    assert len(items) == number
    assert [item.name for item in items if not item.agrees] == fails
