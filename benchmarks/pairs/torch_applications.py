"""Ports of the networks of `keras_applications`: twins of their configs, and torchvision's ResNet.

The environment variable PARITY_CONFIGS names the folder of the configs.
"""

from __future__ import annotations

import os
from pathlib import Path

import torchvision

from torch_impl import Port, from_keras_config, losses, optim


def _twin(name: str) -> Port:
    config = Path(os.environ["PARITY_CONFIGS"], f"{name}.json").read_text(encoding="utf-8")
    # The optimizer rounds its rate to the dtype of the weights, so they become float64 first.
    module = from_keras_config(config).double()
    loss = losses.SparseCategoricalCrossentropy()
    return Port(module, loss=loss, optimizer=optim.Adam(module.parameters(), learning_rate=1e-4))


globals().update(
    VGG16=lambda: _twin("VGG16"),
    ResNet50=lambda: _twin("ResNet50"),
    MobileNetV2=lambda: _twin("MobileNetV2"),
    EfficientNetB0=lambda: _twin("EfficientNetB0"),
    DenseNet121=lambda: _twin("DenseNet121"),
    # Torchvision's is another network: no biases, another epsilon, other strides.
    torchvision_resnet50=lambda: torchvision.models.resnet50(weights=None, num_classes=5),
)
