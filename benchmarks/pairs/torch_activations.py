"""Right ports of the models of `keras_activations`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import (
    NUM_CLASSES,
    Lambda,
    classified,
    trained,
)
from torch_impl import Port


def leaky() -> Port:
    """Torch's own, with Keras's slope."""
    return classified(6, nn.Linear(7, 6), nn.LeakyReLU(0.3), nn.Linear(6, 6), nn.ELU())


def gelu() -> Port:
    """Torch's own."""
    return classified(6, nn.Linear(7, 6), nn.GELU(), nn.Linear(6, 6), nn.SiLU())


class _Activations(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.ModuleList([nn.Linear(7 if n == 0 else 6, 6) for n in range(7)])
        self.head = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        functions = (
            F.selu,
            F.softplus,
            torch.sigmoid,
            F.softsign,
            F.hardsigmoid,
            F.mish,
            F.relu6,
        )
        for layer, function in zip(self.dense, functions, strict=True):
            x = function(layer(x))
        return self.head(x)


def activations() -> Port:
    """Torch's functions."""
    return trained(_Activations())


def softmax_axis() -> Port:
    """Over the channels, which are axis 1 in torch."""
    return classified(4, nn.Conv2d(3, 5, 3), nn.Softmax(dim=1), nn.Conv2d(5, 4, 2))


def dropout() -> Port:
    """Torch's own."""
    return classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 6), nn.Dropout(0.5)
    )


class _Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(7, 12), nn.Linear(12, 6), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(F.relu(self.fc1(x)), 0.3, training=self.training)
        x = F.dropout(self.fc2(x), p=0.5, training=self.training)
        return self.fc3(x)


def dropout_functional() -> Port:
    """Torch's function."""
    return trained(_Dropped())


def spatial_dropout() -> Port:
    """Torch's own."""
    return classified(4, nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout2d(0.4), nn.Conv2d(8, 4, 3))


def rescaled() -> Port:
    """In `forward`."""
    return classified(4, Lambda(lambda x: x / 255), nn.Conv2d(3, 4, 3), nn.ReLU())


def _normalize(x: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor([0.2, -0.1, 0.4], dtype=x.dtype)[:, None, None]
    variance = torch.tensor([1.5, 0.7, 2.0], dtype=x.dtype)[:, None, None]
    return (x - mean) / variance.sqrt()


def normalized() -> Port:
    """In `forward`."""
    return classified(4, Lambda(_normalize), nn.Conv2d(3, 4, 3), nn.ReLU())
