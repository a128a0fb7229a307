"""Twins of the networks of `keras_models`, from their configs in the folder PARITY_CONFIGS."""

from __future__ import annotations

import os
from pathlib import Path

from torch_impl import Port, from_keras_config, losses, optim
from torch_impl.keras_config import KerasModel

RATE = 1e-4


def twin(name: str) -> KerasModel:
    """Returns the twin of a network, in float64: an optimizer rounds its rate to its weights."""
    config = Path(os.environ["PARITY_CONFIGS"], f"{name}.json").read_text(encoding="utf-8")
    return from_keras_config(config).double()


def port(module: KerasModel) -> Port:
    """Returns a port that trains a twin as `keras_models` compiles the network."""
    loss = losses.SparseCategoricalCrossentropy()
    optimizer = optim.Adam(module.parameters(), learning_rate=RATE)
    return Port(module, loss=loss, optimizer=optimizer)


def ResNet50() -> Port:
    """ResNet with 50 layers."""
    return port(twin("ResNet50"))


def DenseNet121() -> Port:
    """DenseNet with 121 layers."""
    return port(twin("DenseNet121"))


def EfficientNetB0() -> Port:
    """The smallest EfficientNet."""
    return port(twin("EfficientNetB0"))
