"""Ports of the networks of `keras_applications`: twins of their configs, and torchvision's ResNet.

The folder of the configs is named by the environment variable PARITY_CONFIGS.
"""

from __future__ import annotations

import os
from pathlib import Path

import torchvision

from benchmarks.pairs.factories import factories
from torch_impl import Port, from_keras_config, losses, optim


def _twin(name: str) -> Port:
    config = Path(os.environ["PARITY_CONFIGS"], f"{name}.json").read_text(encoding="utf-8")
    # The optimizer rounds its rate to the dtype of the weights: they are float64 before it is made.
    module = from_keras_config(config).double()
    loss = losses.SparseCategoricalCrossentropy()
    return Port(module, loss=loss, optimizer=optim.Adam(module.parameters(), learning_rate=1e-4))


globals().update(
    factories(
        VGG16=("The twin.", lambda: _twin("VGG16")),
        ResNet50=("The twin.", lambda: _twin("ResNet50")),
        MobileNetV2=("The twin.", lambda: _twin("MobileNetV2")),
        EfficientNetB0=("The twin.", lambda: _twin("EfficientNetB0")),
        DenseNet121=("The twin.", lambda: _twin("DenseNet121")),
        torchvision_resnet50=(
            "Torchvision's own, another network: no biases, another epsilon, other strides.",
            lambda: torchvision.models.resnet50(weights=None, num_classes=5),
        ),
    )
)
