"""KerasTransform gives each part of a sample back as what it was, or refuses it by its name."""

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED
from PIL import Image
from torchvision import tv_tensors

from torch_impl.augment import KerasTransform


def transform_of(seed=2, **options):
    return KerasTransform(**(options or MOVED), random_state=np.random.RandomState(seed))


def pixels_of(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@one_test
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_pil_image_becomes_one_of_its_mode_with_rounded_pixels(mode, channels):
    """What stands behind it passes through."""
    pixels, target = pixels_of(7, 10, channels), torch.rand(3, 7, 10)
    moved, *rest = transform_of()(Image.fromarray(pixels.squeeze(-1).numpy()), target, "name")
    assert rest == [target, "name"]
    assert (type(moved), moved.mode, moved.size) == (Image.Image, mode, (10, 7))
    expected = transform_of()(pixels.movedim(-1, 0).float()).round().to(torch.uint8)
    found = torch.from_numpy(np.array(moved)).reshape(7, 10, channels).movedim(-1, 0)
    assert torch.equal(found, expected)
    assert not torch.equal(found, pixels.movedim(-1, 0))


@one_test
@pytest.mark.parametrize(("shift", "expected"), [(200.0, [255, 255]), (-150.0, [50, 0])])
def test_values_beyond_a_byte_are_clipped(shift, expected):
    """By hand: 200 + 200 is 400, and 100 - 150 is -50."""
    image = Image.fromarray(np.array([[200, 100]], np.uint8))
    moved = KerasTransform(keras_quirks=False).transform(image, {"channel_shift_intensity": shift})
    assert np.array(moved).tolist() == [expected]


@one_test
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
@pytest.mark.parametrize("shape", [(1, 7, 10), (4, 1, 7, 10)])
@pytest.mark.parametrize("count", [1, 3])
def test_masks_move_with_their_image_by_the_nearest_pixel(dtype, shape, count):
    """An image that is its own masks, moved with order 0, is the reference."""
    classes = pixels_of(*shape) % 3
    masks = tv_tensors.Mask(classes.to(dtype).repeat_interleave(count, dim=-3))
    sample = {"image": tv_tensors.Image(classes.float()), "masks": masks}
    moved = transform_of(**MOVED, interpolation_order=0)(sample)
    assert type(moved["masks"]) is tv_tensors.Mask
    found, image, before = (
        part.as_subclass(torch.Tensor) for part in (moved["masks"], moved["image"], masks)
    )
    assert torch.equal(found, image.to(dtype).repeat_interleave(count, dim=-3))
    assert not torch.equal(found, before)


def test_a_mask_is_neither_blended_nor_brightened_nor_filled_with_cval():
    """By hand: every value comes from its right, and from outside comes 0."""
    transform = KerasTransform(fill_mode="constant", cval=9.0, channel_shift_range=5.0)
    params = {"tx": 1, "channel_shift_intensity": 4.0, "brightness": 2.0}
    moved = transform.transform(tv_tensors.Mask(torch.tensor([[1, 2, 3]])), params)
    assert moved.tolist() == [[2, 3, 0]]


IMAGE = torch.zeros(1, 7, 10)
BOXES = tv_tensors.BoundingBoxes([[1, 1, 3, 3]], format="XYXY", canvas_size=(7, 10))
POINTS = tv_tensors.KeyPoints([[1, 1]], canvas_size=(7, 10))


@one_test
@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        ((IMAGE, BOXES), TypeError, "^BoundingBoxes: expected a tensor of images;"),
        ((IMAGE, POINTS), TypeError, "^KeyPoints: expected a tensor of images;"),
        ("a.png", TypeError, r"^a sample without an image: expected a tensor, a tv_tensors.Image"),
        (Image.new("P", (10, 7)), ValueError, r'mode P: expected one of L, .*convert\("RGB"\)$'),
        (
            (IMAGE, tv_tensors.Mask(torch.zeros(7, 9))),
            ValueError,
            r"^images and masks of sizes \[\(7, 9\), \(7, 10\)\]: expected one \(height, width\)$",
        ),
        (
            (torch.zeros(4, 1, 7, 10), tv_tensors.Mask(torch.zeros(3, 7, 10))),
            ValueError,
            r"^Mask of shape \(3, 7, 10\): expected \(4, ..., height, width\)$",
        ),
    ],
    ids=["boxes", "keypoints", "name", "palette", "other_size", "other_number"],
)
def test_what_is_not_moved_is_refused_before_anything_is_drawn(sample, error, message):
    transform, draws = transform_of(), np.random.RandomState(2)
    with pytest.raises(error, match=message):
        transform(sample)
    assert transform.sampler.random_state.random_sample() == draws.random_sample()
