"""Batches of a Keras flow are made again, image for image, from its arrays and what it drew."""

import numpy as np
import pytest
import torch
from helpers import assert_same_images
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from rows import each_row

from parity.errors import RunError
from parity.halves.keras.program.feed import Flow
from parity.halves.torch.program.flow_batches import FlowBatches, with_flows
from parity.traces.trace import CheckWriter
from torch_impl.augment import KerasTransform

X = np.random.default_rng(1).uniform(size=(10, 7, 5, 3)).astype(np.float32)
Y = np.arange(10) % 4
WEIGHT = np.linspace(0.5, 1.5, 10)
ALL = {"rotation_range": 40, "width_shift_range": 0.3, "height_shift_range": 0.1, "zoom_range": 0.3}


def same_images(ours, theirs):
    assert_same_images(torch.from_numpy(ours), theirs)


def noted(arguments, x=X, **given):
    """What Keras tells of a flow, its settings, and its batches."""
    generator = ImageDataGenerator(**arguments)
    generator.fit(X)
    flow = generator.flow(x, Y, batch_size=4, **given)
    found = Flow(flow)
    np.random.seed(2)
    with found.watched():
        found.begin()
        batches = [flow[number] for number in (0, 2, 1, 0)]
        found.end(4)
    return found.told(), found.settings(), batches


@each_row(
    "arguments",
    [
        ALL,
        {**ALL, "shear_range": 20, "horizontal_flip": True, "vertical_flip": True},
        {"width_shift_range": [-2, 1], "height_shift_range": 3, "fill_mode": "wrap"},
        {**ALL, "fill_mode": "constant", "cval": 0.3, "interpolation_order": 0},
        {"channel_shift_range": 0.2, "brightness_range": (0.3, 1.5), "fill_mode": "reflect"},
        {**ALL, "featurewise_center": True, "featurewise_std_normalization": True},
        {"rescale": 3.0, "horizontal_flip": True},
        {},
    ],
)
def test_the_images_are_those_of_keras(arguments):
    told, settings, batches = noted(arguments)
    made = FlowBatches(told, settings)
    assert len(made) == 4
    for (x, y), (expected, labels) in zip(made[0:4], batches, strict=True):
        same_images(x, expected)
        assert y.tolist() == labels.tolist()


def test_weights_and_further_inputs_come_with_their_images():
    more = np.arange(20).reshape(10, 2)
    told, settings, batches = noted(ALL, (X, more), sample_weight=WEIGHT, seed=7)
    for (x, *rest), (theirs, *others) in zip(FlowBatches(told, settings)[:], batches, strict=True):
        same_images(x[0], theirs[0])
        np.testing.assert_equal([x[1], *rest], [theirs[1], *others])


def test_images_that_are_not_keras_images_are_an_error():
    told, settings, _ = noted(ALL)
    told["x"] = told["x"][::-1].copy()
    with pytest.raises(RunError, match="batch 3 of the flow cannot be made again"):
        FlowBatches(told, settings).batch(2)


def test_the_images_of_the_port_are_fed_and_kept():
    told, settings, batches = noted(ALL)
    made = FlowBatches(told, settings, KerasTransform(**ALL, fill_mode="reflect"))
    fed = [x for x, _ in made[:]]
    assert not np.array_equal(fed[0], batches[0][0])
    writer = CheckWriter()
    made.write(writer)
    assert [key for key in writer.arrays if "/images/" in key] == [
        "training/images/1",
        "training/images/2",
    ]
    assert np.array_equal(writer.arrays["training/images/2"], fed[1])
    assert writer.arrays["training/image_sums"] == pytest.approx([x.sum(dtype=float) for x in fed])
    assert writer.facts["augment"]["rotation_range"] == 40.0
    assert writer.facts["augment_explained"]["told"].startswith("fill_mode='reflect'")


def test_only_the_flow_of_training_is_augmented_by_the_port():
    told, settings, _ = noted(ALL)
    given = {"flows": {"train_flow": settings, "val_flow": settings}}
    own = with_flows(
        {"train_flow": told, "val_flow": told, "x": None}, given, lambda images, params: images * 0
    )
    assert list(own) == ["x", "train_batches", "val_batches"]
    assert not own["train_batches"].batch(0)[0].any()
    assert own["val_batches"].batch(0)[0].any()
    assert torch.get_default_dtype() == torch.float32
