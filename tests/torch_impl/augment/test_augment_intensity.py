"""Channel shift and brightness change values as Keras and Pillow do, quirks included."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from keras.src.legacy.preprocessing.image import apply_brightness_shift, apply_channel_shift

from torch_impl.augment.standardize import change_brightness, shift_channels

IMAGES = {
    "whole numbers": lambda g, shape: g.integers(0, 256, shape),
    "in 0 to 1": lambda g, shape: g.random(shape),
    "in 0 to 255": lambda g, shape: 255 * g.random(shape),
    "signed": lambda g, shape: g.normal(scale=40, size=shape),
    "above 255": lambda g, shape: 900 * g.random(shape),
    "constant": lambda g, shape: np.full(shape, 77.25),
    "constant and negative": lambda g, shape: np.full(shape, -3.0),
}


BRIGHTNESS = (
    *(change_brightness, lambda image, factor: apply_brightness_shift(image, factor, False)),
    [0.0, 0.3, 0.999, 1.0, 1.001, 1.7, 30.0, -0.5],
)
SHIFT = (
    *(shift_channels, lambda image, shift: apply_channel_shift(image, shift, 2)),
    [0.0, 0.3, -12.7, 400.1],
)


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("change", "theirs", "numbers", "channels"),
    [*((*BRIGHTNESS, n) for n in (1, 3, 4)), *((*SHIFT, n) for n in (1, 2, 3, 4))],
)
@pytest.mark.parametrize("kind", IMAGES)
def test_brightness_and_channel_shift_are_keras_ones_to_the_bit(
    kind, change, theirs, numbers, channels, dtype
):
    keras.config.set_floatx(dtype)  # to which Keras rounds on the way
    images = IMAGES[kind](np.random.default_rng(0), (len(numbers), 5, 7, channels)).astype(dtype)
    expected = np.stack([theirs(image, n) for image, n in zip(images, numbers, strict=True)])
    given = torch.tensor(images).movedim(-1, 1), torch.tensor(numbers, dtype=torch.float64)
    np.testing.assert_array_equal(change(*given).movedim(1, -1), expected)


@one_test
@pytest.mark.parametrize("keras_quirks", [True, False])
@pytest.mark.parametrize(
    ("shape", "value", "message"),
    [
        ((2, 1, 3, 3), float("nan"), "values that are not finite"),
        ((2, 1, 3, 3), float("inf"), "values that are not finite"),
        ((2, 2, 3, 3), 0.0, "images with 2 channels: expected 1, 3 or 4"),
    ],
)
def test_brightness_that_means_nothing_is_an_error(shape, value, message, keras_quirks):
    images = torch.zeros(shape)
    images[1, 0, 2, 1] = value
    with pytest.raises(ValueError, match=message):
        change_brightness(images, torch.ones(2), keras_quirks=keras_quirks)


def test_without_quirks_brightness_multiplies_and_stays_in_the_range_of_images():
    """By hand: in [0, 1], in [0, 255], and where no such range is plain; opacity stays."""
    images = torch.tensor([[0.0, 0.5, 1.0], [0.0, 100.0, 200.0], [-1.0, 0.5, 2.0]])
    factors = torch.tensor([1.5, 1.5, 2.0])
    changed = change_brightness(images[:, None, None], factors, keras_quirks=False)
    assert changed.squeeze().tolist() == [[0, 0.75, 1], [0, 150, 255], [-2, 1, 4]]
    images = torch.full((1, 4, 1, 1), 100.0)
    changed = change_brightness(images, torch.tensor([0.5]), keras_quirks=False)
    assert changed.flatten().tolist() == [50, 50, 50, 100]


def test_channel_shift_is_clipped_to_the_range_of_the_image_by_quirk_only():
    """By hand: the brightest value is 4."""
    images = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    shift = torch.tensor([2.5])
    assert shift_channels(images, shift).flatten().tolist() == [3.5, 4, 4]
    assert shift_channels(images, shift, keras_quirks=False).flatten().tolist() == [3.5, 4.5, 6.5]
