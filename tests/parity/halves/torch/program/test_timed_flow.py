"""A timed port is fed the images of a flow, augmented anew in every pass."""

import numpy as np
import pytest
import torch
from helpers import assert_same_images
from keras.src.legacy.preprocessing.image import ImageDataGenerator
from torch import nn

from parity.halves.keras.program.feed import Flow
from parity.halves.torch.program.flow_batches import TimedFlow
from torch_impl import KerasSeeds, Port, augment
from torch_impl.augment.parameters import ParameterSampler

X = np.random.default_rng(1).uniform(size=(10, 7, 5, 3)).astype(np.float32)
Y = np.arange(10)
WEIGHT = np.linspace(0.5, 1.5, 10)
ARGUMENTS = {
    "rotation_range": 40,
    "width_shift_range": 0.3,
    "height_shift_range": 0.1,
    "zoom_range": 0.3,
    "horizontal_flip": True,
}


def timed(arguments, *, samples=10, port=None, **given):
    """The flow of a port, beside Keras's generator."""
    generator = ImageDataGenerator(**arguments, dtype="float32")
    generator.fit(X)
    flow = Flow(generator.flow(X, Y, **{"batch_size": 4, **given}))
    port = Port(nn.Identity()) if port is None else port
    sizes = {"samples": samples, "batch_size": 4, "shuffle": True}
    return TimedFlow(flow.told(), flow.settings(), port, **sizes), generator


@pytest.fixture
def drawn(monkeypatch):
    """The parameters of every batch."""
    found, own = [], ParameterSampler.draw

    def draw(*arguments):
        found.append(own(*arguments))
        return found[-1]

    monkeypatch.setattr(ParameterSampler, "draw", draw)
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ARGUMENTS,
        {**ARGUMENTS, "shear_range": 20, "fill_mode": "constant", "cval": 0.3},
        {"channel_shift_range": 0.2, "brightness_range": (0.3, 1.5), "fill_mode": "reflect"},
        {**ARGUMENTS, "featurewise_center": True, "rescale": 2.0},
        {},
    ],
)
def test_images_are_those_that_keras_makes_with_the_same_parameters(arguments, drawn):
    flow, generator = timed(arguments)
    batches = [batch for _ in range(2) for batch in flow]
    assert len(drawn) == len(batches) == 2 * len(flow) == 6
    for (x, y), params in zip(batches, drawn, strict=True):
        for place, (image, label) in enumerate(zip(x, y, strict=True)):
            own = {name: column[place] for name, column in params.items()}
            for name in ("channel_shift_intensity", "brightness"):
                own.setdefault(name, None)
            moved = generator.apply_transform(X[label].copy(), own)
            expected = generator.standardize(np.array(moved, np.float32))
            assert_same_images(torch.from_numpy(image), expected)


def test_every_pass_has_all_samples_once_in_another_order_and_with_other_parameters(drawn):
    flow, _ = timed(ARGUMENTS)
    passes = [np.concatenate([y for _, y in flow]) for _ in range(2)]
    assert [sorted(labels) for labels in passes] == [list(range(10))] * 2
    assert list(passes[0]) != list(passes[1])
    angles = np.concatenate([params["theta"] for params in drawn])
    assert len(set(angles)) == 20
    assert abs(angles).max() <= 40


def test_a_part_of_the_samples_in_their_order_with_their_weights():
    flow, _ = timed({}, samples=6, shuffle=False, sample_weight=WEIGHT)
    batches = list(flow)
    assert [len(x) for x, _, _ in batches] == [4, 2]
    assert np.array_equal(np.concatenate([x for x, _, _ in batches]), X[:6])
    assert np.array_equal(np.concatenate([weight for _, _, weight in batches]), WEIGHT[:6])


def test_a_port_augments_by_itself_with_the_parameters_that_are_drawn(drawn):
    def dimmed(images, params):
        assert images.shape[1:] == (3, 7, 5)
        return images * torch.from_numpy(params["zx"]).to(images.dtype)[:, None, None, None]

    flow, _ = timed(ARGUMENTS, port=Port(nn.Identity(), augment=dimmed))
    x, y = next(iter(flow))
    assert np.allclose(x, X[y] * drawn[0]["zx"][:, None, None, None], rtol=1e-6)


def test_a_port_with_seeds_of_keras_draws_by_itself():
    seeds = KerasSeeds(3)
    generator = augment.ImageDataGenerator(
        **ARGUMENTS, data_format="channels_first", random_state=seeds.numpy
    )
    flow, _ = timed(ARGUMENTS, port=Port(nn.Identity(), augment=generator, seeds=seeds))
    before = seeds.numpy.get_state()[2]
    assert sorted(np.concatenate([y for _, y in flow])) == list(range(10))
    assert seeds.numpy.get_state()[2] != before
