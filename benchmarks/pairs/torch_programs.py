"""Right ports of the models of `keras_programs`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import (
    NUM_CLASSES,
    Classifier,
    Lambda,
    classified,
    keras_init,
    trained,
)
from torch_impl import Port, layers, optim


class _Three(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.five = nn.Conv2d(3, 4, 5, padding=2)
        self.three = nn.Conv2d(3, 4, 3, padding=1)
        self.one = nn.Conv2d(3, 4, 1)
        self.head = nn.Linear(4, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.one(x) + self.three(x) + self.five(x))
        return self.head(x.mean((-2, -1)))


class _Gate(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 6, 1), nn.Sigmoid()
        )
        self.head = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv(x))
        return self.head((self.gate(x) * x).mean((2, 3)))


class _Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3)
        self.numbers = nn.Linear(4, 5)
        self.flatten = layers.Flatten()
        self.head = nn.Linear(105 + 5, NUM_CLASSES)

    def forward(self, image: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        x = self.flatten(F.relu(self.conv(image)))
        return self.head(torch.cat([x, torch.tanh(self.numbers(numbers))], dim=1))


class _Segments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down = layers.Conv2D(3, 4, 3, strides=2, padding="same")
        self.up = layers.Conv2DTranspose(4, 4, 3, strides=2, padding="same")
        self.last = nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(F.relu(self.up(F.relu(self.down(x)))))


def segmentation() -> Port:
    """Logits (N, C, H, W), as torch's loss takes them."""
    module = keras_init(_Segments())
    optimizer = optim.RMSprop(module.parameters(), 0.01)
    return Port(module, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def autoencoder() -> Port:
    """Targets have channels first too."""
    module = keras_init(
        nn.Sequential(nn.Conv2d(2, 3, 3), nn.ELU(), nn.ConvTranspose2d(3, 2, 3), nn.Sigmoid())
    )
    return Port(
        module,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(module.parameters(), 0.01),
        target=lambda y: torch.from_numpy(y.copy()).movedim(-1, 1),
    )


def nested() -> Port:
    """Modules inside modules."""
    base = nn.Sequential(nn.Conv2d(3, 4, 3), layers.BatchNormalization(4))
    return classified(4, base, nn.ReLU())


globals().update(
    # Convolution and pool pad with zeros themselves, which does no harm after a ReLU.
    resnet_stem=lambda: classified(
        4,
        nn.Conv2d(3, 4, 7, stride=2, padding=3, bias=False),
        layers.BatchNormalization(4, epsilon=1.001e-5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),
    ),
    three_branches=lambda: trained(_Three()),  # Two additions.
    squeeze_excite=lambda: trained(_Gate()),  # The gate first.
    two_inputs=lambda: trained(_Both()),  # Two arguments.
    subclassed=lambda: classified(4, nn.Conv2d(3, 4, 3), nn.ReLU()),
    # A module alone: compared up to its gradients.
    subclassed_module=lambda: keras_init(Classifier(4, nn.Conv2d(3, 4, 3), nn.ReLU())),
    operations=lambda: classified(4, nn.Conv2d(3, 4, 3), Lambda(torch.relu)),
    # A module alone: compared up to its outputs.
    not_compiled=lambda: keras_init(nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))),
)
