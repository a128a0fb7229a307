"""Ports with one mistake each in what a layer computes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs import torch_convolutions
from benchmarks.pairs.torch_base import classified, pad_same, trained
from benchmarks.pairs.torch_layers import TorchNorm
from torch_impl import Port, layers

# --- padding, pooling -----------------------------------------------------------------------------


def same_symmetric_depthwise() -> Port:
    port = torch_convolutions.depthwise_same()
    port.module.features[0] = nn.Sequential()
    port.module.features[1].padding = (1, 1)
    return port


# --- constants ------------------------------------------------------------------------------------


def norm_momentum_copied() -> Port:
    norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.99)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


def norm_unbiased() -> Port:
    norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.01)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


def norm_frozen_by_gradient() -> Port:
    norm = layers.BatchNormalization(4)
    norm.requires_grad_(False)
    return classified(4, nn.Conv2d(3, 4, 3), norm, nn.ReLU())


def norm_frozen_in_torch() -> Port:
    norm = layers.BatchNormalization(4, trainable=False)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


class _Dropped(nn.Module):
    def __init__(self, training: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(7, 12), nn.Linear(12, 6), nn.Linear(6, 5)
        self.is_on = training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(F.relu(self.fc1(x)), 0.3, training=self.is_on)
        return self.fc3(F.dropout(self.fc2(x), 0.5, training=self.is_on))


def upsampled_corners() -> Port:
    larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return classified(3, nn.Conv2d(3, 4, 2), larger, nn.Conv2d(4, 3, 3))


globals().update(
    # padding, pooling
    same_symmetric=lambda: classified(4, nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU()),
    same_symmetric_5=lambda: classified(
        6,
        nn.Conv2d(3, 4, 5, stride=2, padding=2),
        nn.ReLU(),
        layers.Conv2D(4, 6, 2, strides=2, padding="same"),
    ),
    same_symmetric_stride_3=lambda: classified(
        4, nn.Conv2d(3, 4, (3, 5), stride=3, padding=(1, 2))
    ),
    same_symmetric_1d=lambda: classified(6, nn.Conv1d(4, 6, 3, stride=2, padding=1), nn.Tanh()),
    same_symmetric_pad=lambda: classified(
        4, nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU()
    ),
    valid_for_same=lambda: classified(6, nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 4)),
    stride_missing=lambda: classified(4, nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()),
    dilation_missing=lambda: classified(
        6, nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2)
    ),
    causal_as_same=lambda: classified(6, nn.Conv1d(4, 6, 3, padding=1), nn.ReLU()),
    max_pool_symmetric=lambda: classified(
        4, nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, stride=2, padding=1)
    ),
    max_pool_zeros=lambda: classified(
        4, nn.Conv2d(3, 4, 3), pad_same(3, 2), nn.MaxPool2d(3, stride=2)
    ),
    average_pool_counts=lambda: classified(
        4, nn.Conv2d(3, 4, 3), nn.ReLU(), pad_same(3, 2), nn.AvgPool2d(3, stride=2)
    ),
    average_pool_symmetric=lambda: classified(
        4, nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(3, stride=2, padding=1)
    ),
    transposed_symmetric=lambda: classified(
        4, nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.ReLU()
    ),
    # constants
    leaky_slope=lambda: classified(6, nn.Linear(7, 6), nn.LeakyReLU(), nn.Linear(6, 6), nn.ELU()),
    layer_norm_epsilon=lambda: classified(6, nn.Linear(7, 6), nn.Tanh(), nn.LayerNorm(6)),
    group_norm_epsilon=lambda: classified(6, nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6), nn.ReLU()),
    gelu_tanh=lambda: classified(
        6, nn.Linear(7, 6), nn.GELU(approximate="tanh"), nn.Linear(6, 6), nn.SiLU()
    ),
    softmax_last_axis=lambda: classified(
        4, nn.Conv2d(3, 5, 3), nn.Softmax(dim=-1), nn.Conv2d(5, 4, 2)
    ),
    norm_epsilon=lambda: classified(
        4,
        nn.Conv2d(3, 4, 3, bias=False),
        layers.BatchNormalization(4, epsilon=1e-5),
        nn.ReLU(),
    ),
    norm_stock=lambda: classified(4, nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
    norm_momentum=lambda: classified(
        4, nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU()
    ),
    norm_of_one=lambda: classified(6, nn.Linear(7, 6), TorchNorm(6, eps=1e-4), nn.ReLU()),
    dropout_inverted=lambda: classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(0.7), nn.Linear(12, 6), nn.Dropout(0.5)
    ),
    dropout_rate=lambda: classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 6), nn.Dropout()
    ),
    dropout_always=lambda: trained(_Dropped(True)),
    dropout_never=lambda: trained(_Dropped(False)),
    upsampled_nearest=lambda: classified(
        3, nn.Conv2d(3, 4, 2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3)
    ),
)
