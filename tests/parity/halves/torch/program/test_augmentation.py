"""A port's augmentation gets the parameters that Keras drew, in any of its forms."""

import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn
from torchvision.transforms import v2

from parity.errors import InputError
from parity.halves.torch.program.flow_batches import augmented, ranges
from torch_impl.augment import ImageDataGenerator, KerasTransform

IMAGES = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
ARGUMENTS = {"rotation_range": 30, "zoom_range": 0.2, "width_shift_range": 2}
TRANSFORM = KerasTransform(**ARGUMENTS, random_state=np.random.RandomState(3))
PARAMS = TRANSFORM.draw(4, 8, 8)
EXPECTED = TRANSFORM.transform(IMAGES, PARAMS)
NORMALIZE = v2.Normalize([0.5] * 3, [2.0] * 3)


@each_row(
    "augment",
    [
        KerasTransform(),  # draws nothing: it applies what it gets
        v2.Compose([KerasTransform(), v2.Identity()]),
        nn.Sequential(nn.Identity(), v2.Compose([KerasTransform()])),
        lambda images, params: TRANSFORM.transform(images, params),
    ],
)
def test_the_parameters_are_those_of_keras(augment):
    assert torch.equal(augmented(augment, IMAGES, PARAMS), EXPECTED)


def test_what_follows_the_transform_is_applied_too():
    for augment, expected in (
        (v2.Compose([KerasTransform(), NORMALIZE]), (EXPECTED - 0.5) / 2),
        (ImageDataGenerator(rescale=0.25), EXPECTED / 4),
    ):
        assert torch.allclose(augmented(augment, IMAGES, PARAMS), expected)


@each_row(
    "augment, message",
    [
        (v2.RandomRotation(10), "has RandomRotation, which draws by itself"),
        (v2.Compose([v2.RandomHorizontalFlip()]), "has RandomHorizontalFlip, which draws"),
        (v2.ColorJitter(0.5), "has ColorJitter, which draws by itself"),
        (lambda images, params: images[:2], r"returned \(2, 3, 8, 8\) for images of shape"),
        (lambda images, params: None, "returned NoneType for images of shape"),
        ({"rotation_range": 10}, r"Port\(augment=dict\): expected torch_impl.augment's KerasTr"),
    ],
)
def test_what_cannot_get_them_is_told(augment, message):
    with pytest.raises(InputError, match=message):
        augmented(augment, IMAGES, PARAMS)


@each_row(
    "augment",
    [
        KerasTransform(**ARGUMENTS),
        ImageDataGenerator(**ARGUMENTS),
        v2.Compose([v2.Identity(), KerasTransform(**ARGUMENTS)]),
    ],
)
def test_its_ranges_are_told(augment):
    found, told = ranges(augment), {"rotation_range": 30, "zoom_range": [0.8, 1.2]}
    told |= {"width_shift_range": 2, "brightness_range": None, "horizontal_flip": False}
    assert {name: found[name] for name in told} == told
    assert type(found["width_shift_range"]) is int


def test_a_function_has_none():
    assert ranges(lambda images, params: images) == {}
