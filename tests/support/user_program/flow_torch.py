"""Its port by hand, and ports that augment in another way."""

import dataclasses
from functools import partial

import torch
from flow_keras import ARGUMENTS
from torch import nn
from torchvision.transforms import v2

from torch_impl import KerasSeeds, Port, optim
from torch_impl.augment import ImageDataGenerator, KerasTransform
from torch_impl.layers import initialise
from torch_impl.losses import SparseCategoricalCrossentropy


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 3, 3)
        self.out = nn.Linear(3, 3)
        for layer in (self.conv, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        return self.out(torch.tanh(self.conv(x)).mean((2, 3)))


def build(augment=None, **changes):
    net = Net()
    return Port(
        net,
        **{
            "loss": SparseCategoricalCrossentropy(from_logits=True),
            "optimizer": optim.Adam(net.parameters(), learning_rate=0.02),
            "metrics": ["accuracy"],
            "augment": KerasTransform(**ARGUMENTS) if augment is None else augment,
            **changes,
        },
    )


def fed():
    """Does not augment by itself."""
    return dataclasses.replace(build(), augment=None)


weighted = partial(build, class_weight={0: 0.5, 1: 2.0})


def standardised():
    generator = ImageDataGenerator(
        **ARGUMENTS,
        rescale=0.5,
        featurewise_center=True,
        featurewise_std_normalization=True,
        dtype=torch.float64,
    )
    from flow_keras import x

    generator.fit(x)
    return build(generator)


def composed():
    return build(v2.Compose([KerasTransform(**ARGUMENTS), v2.Identity()]))


def rotated_back():
    transform = KerasTransform(**ARGUMENTS)
    return build(lambda images, params: transform.transform(images, _negated(params, "theta")))


def exchanged_shifts():
    transform = KerasTransform(**ARGUMENTS)
    return build(
        lambda images, params: transform.transform(
            images, {**params, "tx": params["ty"], "ty": params["tx"]}
        )
    )


def other_edge():
    return build(KerasTransform(**ARGUMENTS, fill_mode="reflect"))


def other_range():
    return build(KerasTransform(**{**ARGUMENTS, "rotation_range": 25}))


def blurred():
    """No trial gives its images."""
    transform = KerasTransform(**ARGUMENTS)
    blur = v2.GaussianBlur(3, 1.0)
    return build(lambda images, params: blur(transform.transform(images, params)))


def drawing():
    """Cannot get what Keras drew."""
    return build(v2.RandomRotation(20))


def seeded(seed=42, **changed):
    """Draws weights, samples and parameters as Keras does, in the order in which Keras does."""
    seeds = KerasSeeds(seed)
    net = Net()
    initialise(net, seeds)
    generator = ImageDataGenerator(
        **{**ARGUMENTS, **changed},
        data_format="channels_first",
        dtype=torch.get_default_dtype(),
        random_state=seeds.numpy,
    )
    return Port(
        net,
        SparseCategoricalCrossentropy(from_logits=True),
        optim.Adam(net.parameters(), learning_rate=0.02),
        metrics=["accuracy"],
        augment=generator,
        seeds=seeds,
    )


def seeded_late():
    """Draws its samples behind a number that Keras does not draw."""
    port = seeded()
    port.seeds.numpy.random_sample()
    return port


seeded_other_range = partial(seeded, rotation_range=25)
seeded_without_flip = partial(seeded, horizontal_flip=False)


def _negated(params, name):
    return {**params, name: -params[name]}
