"""The networks: a mirror of `keras_impl/models.py`, function by function and line by line.

Each is a plain torch module that takes images (N, C, H, W) and returns logits: the softmax of the
Keras model is part of the loss here. Layers have the names under which traces list them.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

import torch
from torch import nn

from torch_impl.layers import Dropout, Flatten, initialise, initialise_independently
from torch_impl.seeds import KerasSeeds

if TYPE_CHECKING:
    from parity.programs.run_spec import RunSpec


def underfit(input_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """The net that Example 1 answers: few filters, no hidden layer."""
    height, width, channels = input_shape
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 2, 3),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(2, 4, 3),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=Flatten(),
            dense1=nn.Linear(_reduced(height) * _reduced(width) * 4, num_classes),
        )
    )


def capacity(input_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Examples 1 and 2: more filters and a hidden layer."""
    height, width, channels = input_shape
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 32, 3),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            conv2=nn.Conv2d(32, 64, 3),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=Flatten(),
            dense1=nn.Linear(_reduced(height) * _reduced(width) * 64, 128),
            relu3=nn.ReLU(),
            dense2=nn.Linear(128, num_classes),
        )
    )


def dropout(input_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Example 3: dropout after the first pool and before the last Dense."""
    height, width, channels = input_shape
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 32, 3),
            relu1=nn.ReLU(),
            pool1=nn.MaxPool2d(2),
            dropout1=Dropout(0.25),
            conv2=nn.Conv2d(32, 64, 3),
            relu2=nn.ReLU(),
            pool2=nn.MaxPool2d(2),
            flatten=Flatten(),
            dense1=nn.Linear(_reduced(height) * _reduced(width) * 64, 128),
            relu3=nn.ReLU(),
            dropout2=Dropout(0.5),
            dense2=nn.Linear(128, num_classes),
        )
    )


def linear(input_shape: tuple[int, int, int], num_classes: int) -> nn.Sequential:
    """Two convolutions and two Dense layers without an activation between them: a linear map."""
    height, width, channels = input_shape
    return nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(channels, 4, 3, stride=2),
            conv2=nn.Conv2d(4, 4, 3, stride=2),
            flatten=Flatten(),
            dense1=nn.Linear(_halved(height) * _halved(width) * 4, 4),
            dense2=nn.Linear(4, num_classes),
        )
    )


MODELS = {"underfit": underfit, "capacity": capacity, "dropout": dropout, "linear": linear}


def build_model(
    spec: RunSpec, input_shape: tuple[int, int, int], num_classes: int
) -> tuple[nn.Sequential, KerasSeeds]:
    """Builds the network of a spec with the weights that Keras draws from its seed.

    In mode "independent" the weights have Keras's distributions, but come from torch's generator,
    seeded with the same seed.

    Args:
        spec: gives model, seed, mode, dtype and device.
        input_shape: (height, width, channels) of an image.
        num_classes: number of labels.

    Returns:
        The model, and the seeds after its construction, from which the data then draw.
    """
    seeds = KerasSeeds(spec.seed)
    model = MODELS[spec.model](input_shape, num_classes).to(getattr(torch, spec.dtype))
    if spec.mode == "independent":
        torch.manual_seed(spec.seed)
        initialise_independently(model)
    else:
        initialise(model, seeds)
    model.to(spec.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model, seeds


def _reduced(size: int) -> int:
    """Returns the length of an axis after two (3x3 convolution, pool of 2) without padding."""
    return ((size - 2) // 2 - 2) // 2


def _halved(size: int) -> int:
    """Returns the length of an axis after two 3x3 convolutions of stride 2 without padding."""
    return ((size - 3) // 2 - 2) // 2 + 1
