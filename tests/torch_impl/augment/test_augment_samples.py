"""KerasTransform gives each part of a sample back as what it was, or refuses it by its name."""

import numpy as np
import pytest
import torch
from covering import one_test
from helpers import MOVED
from PIL import Image
from torchvision import tv_tensors
from torchvision.transforms import v2

from torch_impl.augment import KerasTransform


def transform_of(seed=2, **options):
    return KerasTransform(**(options or MOVED), random_state=np.random.RandomState(seed))


def pixels_of(*shape):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


@one_test
@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
def test_a_pil_image_becomes_one_of_its_mode_with_rounded_pixels(mode, channels):
    pixels = pixels_of(7, 10, channels)
    image = Image.fromarray(pixels.squeeze(-1).numpy())
    moved = transform_of()(image)
    assert isinstance(moved, Image.Image)
    assert (moved.mode, moved.size) == (mode, (10, 7))
    expected = transform_of()(pixels.movedim(-1, 0).float()).round().to(torch.uint8)
    found = torch.from_numpy(np.array(moved)).reshape(7, 10, channels).movedim(-1, 0)
    assert torch.equal(found, expected)
    assert not torch.equal(found, pixels.movedim(-1, 0))


def test_values_beyond_a_byte_are_clipped():
    """By hand: 200 * 2 is 400, and 100 - 150 is -50."""
    bright = KerasTransform(keras_quirks=False).transform(
        Image.fromarray(np.array([[200, 100]], np.uint8)), {"channel_shift_intensity": 200.0}
    )
    dark = KerasTransform(keras_quirks=False).transform(
        Image.fromarray(np.array([[200, 100]], np.uint8)), {"channel_shift_intensity": -150.0}
    )
    assert np.array(bright).tolist() == [[255, 255]]
    assert np.array(dark).tolist() == [[50, 0]]


def test_pil_images_compose_with_the_transforms_of_torchvision():
    image = Image.fromarray(pixels_of(7, 10, 3).numpy())
    to_floats = [v2.ToImage(), v2.ToDtype(torch.float32)]
    result = v2.Compose([transform_of(), *to_floats])(image)
    exact = v2.Compose([*to_floats, transform_of()])(image)
    assert isinstance(result, tv_tensors.Image)
    assert isinstance(exact, tv_tensors.Image)
    assert torch.equal(result.as_subclass(torch.Tensor), exact.as_subclass(torch.Tensor).round())


@one_test
@pytest.mark.parametrize("shape", [(3, 7, 10), (4, 3, 7, 10)])
def test_an_image_stays_one_and_a_tensor_a_tensor(shape):
    pixels = pixels_of(*shape).float()
    moved, plain = transform_of()(tv_tensors.Image(pixels)), transform_of()(pixels)
    assert type(moved) is tv_tensors.Image
    assert type(plain) is torch.Tensor
    assert torch.equal(moved.as_subclass(torch.Tensor), plain)


@one_test
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.float32])
def test_a_mask_moves_with_its_image_by_the_nearest_pixel(dtype):
    """An image that is its own mask, moved with order 0, is the reference."""
    classes = pixels_of(7, 10) % 3
    image, mask = tv_tensors.Image(classes[None].float()), tv_tensors.Mask(classes.to(dtype))
    moved_image, moved_mask = transform_of(**MOVED, interpolation_order=0)(image, mask)
    assert type(moved_mask) is tv_tensors.Mask
    assert moved_mask.dtype == dtype
    assert torch.equal(
        moved_mask.as_subclass(torch.Tensor), moved_image.as_subclass(torch.Tensor)[0].to(dtype)
    )
    assert not torch.equal(moved_mask.as_subclass(torch.Tensor), classes.to(dtype))


def test_a_mask_is_neither_blended_nor_brightened_nor_filled_with_cval():
    """By hand: every value comes from its right, and from outside comes 0."""
    options = {"fill_mode": "constant", "cval": 9.0, "channel_shift_range": 5.0}
    mask = tv_tensors.Mask(torch.tensor([[1, 2, 3]]))
    transform = KerasTransform(**options)
    moved = transform.transform(mask, {"tx": 1, "channel_shift_intensity": 4.0, "brightness": 2.0})
    assert moved.tolist() == [[2, 3, 0]]


def test_every_image_of_a_batch_takes_its_masks_along():
    images = tv_tensors.Image(pixels_of(4, 1, 7, 10).float())
    masks = tv_tensors.Mask(images.as_subclass(torch.Tensor).repeat(1, 2, 1, 1))
    moved, moved_masks = transform_of(**MOVED, interpolation_order=0)(images, masks)
    for channel in range(2):
        assert torch.equal(
            moved_masks.as_subclass(torch.Tensor)[:, channel],
            moved.as_subclass(torch.Tensor)[:, 0],
        )


def test_several_masks_of_one_image_move_alike():
    image = torch.zeros(1, 7, 10)
    masks = tv_tensors.Mask((pixels_of(1, 7, 10) > 99).expand(3, -1, -1))
    _, moved = transform_of()({"image": image, "masks": masks}).values()
    assert torch.equal(moved[0], moved[2])
    assert not torch.equal(moved[0], masks[0])


def test_labels_behind_a_pil_image_pass_through():
    image, target = Image.fromarray(pixels_of(7, 10).numpy()), torch.rand(3, 7, 10)
    _, same, name = transform_of()(image, target, "a name")
    assert same is target
    assert name == "a name"


BOXES = tv_tensors.BoundingBoxes([[1, 1, 3, 3]], format="XYXY", canvas_size=(7, 10))
POINTS = tv_tensors.KeyPoints([[1, 1]], canvas_size=(7, 10))


@one_test
@pytest.mark.parametrize(
    ("sample", "error", "message"),
    [
        ((torch.zeros(1, 7, 10), BOXES), TypeError, "^BoundingBoxes: expected a tensor of images;"),
        ((torch.zeros(1, 7, 10), POINTS), TypeError, "^KeyPoints: expected a tensor of images;"),
        ("a.png", TypeError, r"^a sample without an image: expected a tensor, a tv_tensors.Image"),
        (Image.new("P", (10, 7)), ValueError, r'mode P: expected one of L, .*convert\("RGB"\)$'),
        (
            (torch.zeros(1, 7, 10), tv_tensors.Mask(torch.zeros(7, 9))),
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
    transform = transform_of()
    before = transform.sampler.random_state.get_state()[2]
    with pytest.raises(error, match=message):
        transform(sample)
    assert transform.sampler.random_state.get_state()[2] == before
