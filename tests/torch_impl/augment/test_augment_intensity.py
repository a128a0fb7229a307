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


def images_of(kind, shape, dtype, seed=0):
    """(N, H, W, C)"""
    return IMAGES[kind](np.random.default_rng(seed), shape).astype(dtype)


def with_keras_floats(dtype, function, images, *arguments):
    """Keras rounds to its default float type on the way."""
    before = keras.config.floatx()
    keras.config.set_floatx(dtype)
    try:
        return np.stack(
            [function(image, *rest) for image, *rest in zip(images, *arguments, strict=True)]
        )
    finally:
        keras.config.set_floatx(before)


def ours(function, images, numbers, **options):
    numbers = torch.tensor(numbers, dtype=torch.float64)
    result = function(torch.tensor(images).movedim(-1, 1), numbers, **options)
    return result.movedim(1, -1).numpy()


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("kind", IMAGES)
def test_brightness_is_keras_brightness_to_the_bit(kind, channels, dtype):
    images = images_of(kind, (8, 5, 7, channels), dtype)
    factors = [0.0, 0.3, 0.999, 1.0, 1.001, 1.7, 30.0, -0.5]
    theirs = with_keras_floats(
        dtype, lambda image, factor: apply_brightness_shift(image, factor, False), images, factors
    )
    np.testing.assert_array_equal(ours(change_brightness, images, factors), theirs)


@one_test
@pytest.mark.parametrize("keras_quirks", [True, False])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_brightness_that_means_nothing_is_an_error(bad, keras_quirks):
    images = torch.zeros(2, 1, 3, 3)
    images[1, 0, 2, 1] = bad
    with pytest.raises(ValueError, match="values that are not finite"):
        change_brightness(images, torch.ones(2), keras_quirks=keras_quirks)
    with pytest.raises(ValueError, match="images with 2 channels: expected 1, 3 or 4"):
        change_brightness(torch.zeros(1, 2, 3, 3), torch.ones(1))


def test_without_quirks_brightness_multiplies_and_stays_in_the_range_of_images():
    """By hand: in [0, 1], in [0, 255], and where no such range is plain; opacity stays."""
    images = torch.tensor([[0.0, 0.5, 1.0], [0.0, 100.0, 200.0], [-1.0, 0.5, 2.0]])
    factors = torch.tensor([1.5, 1.5, 2.0])
    changed = change_brightness(images[:, None, None], factors, keras_quirks=False)
    assert changed.squeeze().tolist() == [[0, 0.75, 1], [0, 150, 255], [-2, 1, 4]]
    images = torch.full((1, 4, 1, 1), 100.0)
    changed = change_brightness(images, torch.tensor([0.5]), keras_quirks=False)
    assert changed.flatten().tolist() == [50, 50, 50, 100]


@one_test
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", IMAGES)
def test_channel_shift_is_keras_channel_shift_to_the_bit(kind, channels, dtype):
    images = images_of(kind, (4, 5, 7, channels), dtype)
    shifts = [0.0, 0.3, -12.7, 400.1]
    theirs = np.stack(
        [apply_channel_shift(x, shift, 2) for x, shift in zip(images, shifts, strict=True)]
    )
    np.testing.assert_array_equal(ours(shift_channels, images, shifts), theirs)


def test_channel_shift_is_clipped_to_the_range_of_the_image_by_quirk_only():
    """By hand: the brightest value is 4."""
    images = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    shift = torch.tensor([2.5])
    assert shift_channels(images, shift).flatten().tolist() == [3.5, 4, 4]
    assert shift_channels(images, shift, keras_quirks=False).flatten().tolist() == [3.5, 4.5, 6.5]
