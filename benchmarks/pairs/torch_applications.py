"""Ports of the networks of `keras_applications`: twins of their configs, and torchvision's ResNet.

The folder of the configs is named by the environment variable PARITY_CONFIGS.
"""

from __future__ import annotations

import os
from pathlib import Path

import torchvision
from torch import nn

from torch_impl import Port, from_keras_config, losses, optim


def _twin(name: str) -> Port:
    config = Path(os.environ["PARITY_CONFIGS"], f"{name}.json").read_text(encoding="utf-8")
    # The optimizer rounds its rate to the dtype of the weights: they are float64 before it is made.
    module = from_keras_config(config).double()
    loss = losses.SparseCategoricalCrossentropy()
    return Port(module, loss=loss, optimizer=optim.Adam(module.parameters(), learning_rate=1e-4))


def VGG16() -> Port:
    """The twin."""
    return _twin("VGG16")


def ResNet50() -> Port:
    """The twin."""
    return _twin("ResNet50")


def MobileNetV2() -> Port:
    """The twin."""
    return _twin("MobileNetV2")


def EfficientNetB0() -> Port:
    """The twin."""
    return _twin("EfficientNetB0")


def DenseNet121() -> Port:
    """The twin."""
    return _twin("DenseNet121")


def torchvision_resnet50() -> nn.Module:
    """Torchvision's own, which is another network: no biases, another epsilon, other strides."""
    return torchvision.models.resnet50(weights=None, num_classes=5)
