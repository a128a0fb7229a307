"""A layer of images as a torchvision transform: Keras's numbers, and parts that keep their type."""

import keras
import numpy as np
import pytest
import torch
from covering import one_test
from PIL import Image
from torchvision import tv_tensors

from torch_impl import layers
from torch_impl.augment import LayerTransform

MAKE = {
    "RandomFlip": ("horizontal",),
    "RandomRotation": (0.3,),
    "RandomZoom": (0.4, 0.3),
    "RandomTranslation": (0.3, 0.2),
    "RandomContrast": ((0.2, 0.9), (-2, 2)),
    "RandomBrightness": (0.2, (-2, 2)),
    "RandomCrop": (5, 6),
}
SEEDS = (0, 42, 2**31 - 1, 2**33 + 1)
MOVING = [kind for kind in MAKE if kind not in ("RandomContrast", "RandomBrightness")] + [
    *("Resizing", "CenterCrop")
]


def layer_of(kind, seed=3, *, of=layers):
    """Of torch_impl or of Keras; of those that draw, with a seed."""
    if kind in STILL:
        return getattr(of, kind)(*STILL[kind])
    return getattr(of, kind)(*MAKE[kind], seed=seed)


def keras_layer(kind, seed=3):
    return layer_of(kind, seed, of=keras.layers)


def pixels(seed=0, shape=(4, 8, 9, 3)):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_near(ours, theirs):
    found, expected = ours.movedim(-3, -1).numpy(), np.asarray(theirs)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max()


@one_test
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", MAKE)
def test_batches_and_images_are_keras_call_after_call(kind, seed):
    transform, theirs = LayerTransform(layer_of(kind, seed)).eval(), keras_layer(kind, seed)
    for call in range(2):
        x = pixels(call)
        assert_near(transform(torch.tensor(x).movedim(-1, 1)), theirs(x, training=True))
        assert_near(transform(torch.tensor(x[0]).movedim(-1, 0)), theirs(x[0], training=True))


@one_test
@pytest.mark.parametrize("kind", MOVING)
def test_a_mask_moves_with_its_image_by_the_nearest_pixel(kind):
    x = pixels()
    labels = np.random.default_rng(1).integers(0, 5, (4, 8, 9, 1))
    theirs = keras_layer(kind)
    expected = theirs({"images": x, "segmentation_masks": labels.astype("float32")}, training=True)
    image = tv_tensors.Image(torch.tensor(x).movedim(-1, 1))
    mask = tv_tensors.Mask(torch.tensor(labels).movedim(-1, 1))
    moved, moved_mask, name = LayerTransform(layer_of(kind))(image, mask, "name")
    assert (name, [type(moved), type(moved_mask)]) == ("name", [tv_tensors.Image, tv_tensors.Mask])
    assert moved_mask.dtype == torch.int64
    assert_near(moved, expected["images"])
    assert_near(moved_mask.to(torch.float32), expected["segmentation_masks"])


STILL = {"Resizing": (5, 4), "CenterCrop": (5, 4)}


def test_a_pil_image_stays_one_and_is_rounded():
    array = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    moved = LayerTransform(layers.RandomRotation(0.3, seed=4))(Image.fromarray(array))
    expected = np.asarray(keras.layers.RandomRotation(0.3, seed=4)(array, training=True))
    assert moved.mode == "RGB"
    np.testing.assert_array_equal(np.asarray(moved), np.round(expected).clip(0, 255))


@one_test
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: LayerTransform(torch.nn.ReLU()),
            "layer of class ReLU: expected a layer",
        ),
        (
            lambda: LayerTransform(layers.RandomFlip())(torch.ones(3, 4, 5, dtype=torch.uint8)),
            "images of dtype torch.uint8: expected float32 or float64",
        ),
        (
            lambda: LayerTransform(layers.RandomFlip())(
                tv_tensors.BoundingBoxes([[0, 0, 1, 1]], format="XYXY", canvas_size=(4, 5))
            ),
            "BoundingBoxes: expected a tensor of images",
        ),
    ],
)
def test_another_part_is_an_error_that_shows_it(make, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make()
