"""Right ports of the models of `keras_activations`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import NUM_CLASSES, Lambda, classified, trained


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


class _Dropped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(7, 12), nn.Linear(12, 6), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(F.relu(self.fc1(x)), 0.3, training=self.training)
        x = F.dropout(self.fc2(x), p=0.5, training=self.training)
        return self.fc3(x)


def _normalize(x: torch.Tensor) -> torch.Tensor:
    mean = torch.tensor([0.2, -0.1, 0.4], dtype=x.dtype)[:, None, None]
    variance = torch.tensor([1.5, 0.7, 2.0], dtype=x.dtype)[:, None, None]
    return (x - mean) / variance.sqrt()


globals().update(
    # Torch's own, with Keras's slope.
    leaky=lambda: classified(6, nn.Linear(7, 6), nn.LeakyReLU(0.3), nn.Linear(6, 6), nn.ELU()),
    gelu=lambda: classified(6, nn.Linear(7, 6), nn.GELU(), nn.Linear(6, 6), nn.SiLU()),
    activations=lambda: trained(_Activations()),  # Torch's functions.
    # Over the channels, which are axis 1 in torch.
    softmax_axis=lambda: classified(4, nn.Conv2d(3, 5, 3), nn.Softmax(dim=1), nn.Conv2d(5, 4, 2)),
    dropout=lambda: classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 6), nn.Dropout(0.5)
    ),
    dropout_functional=lambda: trained(_Dropped()),
    spatial_dropout=lambda: classified(
        4, nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Dropout2d(0.4), nn.Conv2d(8, 4, 3)
    ),
    rescaled=lambda: classified(4, Lambda(lambda x: x / 255), nn.Conv2d(3, 4, 3), nn.ReLU()),
    normalized=lambda: classified(4, Lambda(_normalize), nn.Conv2d(3, 4, 3), nn.ReLU()),
)
