"""Right ports of the models of `keras_convolutions`, in common PyTorch styles."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import NUM_CLASSES, Lambda, classified, pad_same, trained
from torch_impl import Port, layers


class _Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv(x))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class _Causal(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 6, 3)
        self.fc = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(F.pad(x, (2, 0))))
        return self.fc(x.mean(-1))


def depthwise() -> Port:
    """A convolution with a group for each channel."""
    port = classified(6, layers.DepthwiseConv2D(3, 3, depth_multiplier=2), nn.ReLU())
    kernel = port.module.features[0].weight
    # Keras's fans for a kernel (3, 3, 3, 2): 3 * 9 and 2 * 9.
    nn.init.uniform_(kernel, -((6 / 45) ** 0.5), (6 / 45) ** 0.5)
    return port


def depthwise_same() -> Port:
    """Torch's own with `groups`, padded by hand."""
    port = classified(
        6,
        pad_same(3, 2),
        nn.Conv2d(3, 3, 3, stride=2, groups=3, bias=False),
        nn.ReLU(),
        nn.Conv2d(3, 6, 1),
    )
    kernel = port.module.features[1].weight
    nn.init.uniform_(kernel, -((6 / 36) ** 0.5), (6 / 36) ** 0.5)
    return port


def separable() -> Port:
    """Uses the layer of this project."""
    port = classified(5, layers.SeparableConv2D(3, 5, 3, padding="same"), nn.ReLU())
    kernel = port.module.features[0].depthwise.weight
    nn.init.uniform_(kernel, -((6 / 36) ** 0.5), (6 / 36) ** 0.5)
    return port


globals().update(
    conv_valid=lambda: classified(4, nn.Conv2d(3, 4, 3), nn.ReLU()),
    conv_valid_functional=lambda: trained(_Functional()),  # Functions in `forward`.
    # At stride 1 torch's same padding is Keras's.
    conv_same=lambda: classified(
        6, nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 4, padding="same")
    ),
    # Padded by hand.
    conv_same_stride_2=lambda: classified(
        4, pad_same(3, 2), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()
    ),
    conv_same_stride_2_layers=lambda: classified(
        4, layers.Conv2D(3, 4, 3, strides=2, padding="same"), nn.ReLU()
    ),
    # Padded by hand.
    conv_same_kernel_5=lambda: classified(
        6,
        pad_same(5, 2),
        nn.Conv2d(3, 4, 5, stride=2),
        nn.ReLU(),
        pad_same(2, 2),
        nn.Conv2d(4, 6, 2, stride=2),
    ),
    conv_same_stride_3=lambda: classified(
        4, layers.Conv2D(3, 4, (3, 5), strides=3, padding="same")
    ),
    conv_dilated=lambda: classified(
        6,
        nn.Conv2d(3, 4, 3, padding="same", dilation=2),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, groups=2),
    ),
    conv_square=lambda: classified(
        3, nn.Conv2d(3, 3, 3), nn.ReLU(inplace=True), nn.Conv2d(3, 3, 3)
    ),
    # With the layer of this project; the sequence is fed as (N, C, T).
    conv_1d=lambda: classified(6, layers.Conv1D(4, 6, 3, strides=2, padding="same"), nn.Tanh()),
    conv_1d_causal=lambda: trained(_Causal()),  # Padded by hand.
    conv_3d=lambda: classified(3, nn.Conv3d(2, 3, 3), nn.ReLU()),
    transposed=lambda: classified(
        4, layers.Conv2DTranspose(3, 4, 3, strides=2, padding="same"), nn.ReLU()
    ),
    # Torch's own, with one row and column cut off at the end.
    transposed_cropped=lambda: classified(
        4,
        nn.ConvTranspose2d(3, 4, 3, stride=2),
        Lambda(lambda x: x[..., :-1, :-1]),
        nn.ReLU(),
    ),
    transposed_valid=lambda: classified(4, nn.ConvTranspose2d(3, 4, 3, stride=2), nn.ReLU()),
)
