"""Ports with one mistake each in what a layer computes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs import torch_convolutions
from benchmarks.pairs.torch_base import classified, pad_same, trained
from torch_impl import Port, layers

# --- padding, pooling -----------------------------------------------------------------------------


def same_symmetric() -> Port:
    """`padding=1` at stride 2."""
    return classified(4, nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU())


def same_symmetric_5() -> Port:
    """`padding=2` at stride 2."""
    return classified(
        6,
        nn.Conv2d(3, 4, 5, stride=2, padding=2),
        nn.ReLU(),
        layers.Conv2D(4, 6, 2, strides=2, padding="same"),
    )


def same_symmetric_stride_3() -> Port:
    """`padding=(1, 2)` at stride 3."""
    return classified(4, nn.Conv2d(3, 4, (3, 5), stride=3, padding=(1, 2)))


def same_symmetric_1d() -> Port:
    """`padding=1` at stride 2, of sequences."""
    return classified(6, nn.Conv1d(4, 6, 3, stride=2, padding=1), nn.Tanh())


def same_symmetric_pad() -> Port:
    """Padded by hand, on both sides."""
    return classified(4, nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3, stride=2), nn.ReLU())


def same_symmetric_depthwise() -> Port:
    """`padding=1` at stride 2, depthwise."""
    port = torch_convolutions.depthwise_same()
    port.module.features[0] = nn.Sequential()
    port.module.features[1].padding = (1, 1)
    return port


def valid_for_same() -> Port:
    """No padding."""
    return classified(6, nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 4))


def stride_missing() -> Port:
    """Stride 1 for 2."""
    return classified(4, nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())


def dilation_missing() -> Port:
    """No holes."""
    return classified(
        6, nn.Conv2d(3, 4, 3, padding="same"), nn.ReLU(), nn.Conv2d(4, 6, 3, groups=2)
    )


def causal_as_same() -> Port:
    """Padded on both sides for a causal convolution."""
    return classified(6, nn.Conv1d(4, 6, 3, padding=1), nn.ReLU())


def max_pool_symmetric() -> Port:
    """`padding=1`."""
    return classified(4, nn.Conv2d(3, 4, 3), nn.MaxPool2d(3, stride=2, padding=1))


def max_pool_zeros() -> Port:
    """Padded with zeros, which win over what is negative."""
    return classified(4, nn.Conv2d(3, 4, 3), pad_same(3, 2), nn.MaxPool2d(3, stride=2))


def average_pool_counts() -> Port:
    """Padded with zeros, which count."""
    return classified(4, nn.Conv2d(3, 4, 3), nn.ReLU(), pad_same(3, 2), nn.AvgPool2d(3, stride=2))


def average_pool_symmetric() -> Port:
    """`padding=1`, and the zeros count."""
    return classified(4, nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AvgPool2d(3, stride=2, padding=1))


def transposed_symmetric() -> Port:
    """`padding=1, output_padding=1`."""
    return classified(
        4, nn.ConvTranspose2d(3, 4, 3, stride=2, padding=1, output_padding=1), nn.ReLU()
    )


# --- constants ------------------------------------------------------------------------------------


def leaky_slope() -> Port:
    """Torch's default of 0.01 for Keras's 0.3."""
    return classified(6, nn.Linear(7, 6), nn.LeakyReLU(), nn.Linear(6, 6), nn.ELU())


def layer_norm_epsilon() -> Port:
    """Torch's default of 1e-5 for Keras's 1e-3."""
    return classified(6, nn.Linear(7, 6), nn.Tanh(), nn.LayerNorm(6))


def group_norm_epsilon() -> Port:
    """Likewise."""
    return classified(6, nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6), nn.ReLU())


def gelu_tanh() -> Port:
    """The approximation for the exact one."""
    return classified(6, nn.Linear(7, 6), nn.GELU(approximate="tanh"), nn.Linear(6, 6), nn.SiLU())


def softmax_last_axis() -> Port:
    """Keras's last axis are the channels, torch's is the width."""
    return classified(4, nn.Conv2d(3, 5, 3), nn.Softmax(dim=-1), nn.Conv2d(5, 4, 2))


def norm_epsilon() -> Port:
    """1e-5, the rest as in Keras."""
    return classified(
        4, nn.Conv2d(3, 4, 3, bias=False), layers.BatchNormalization(4, epsilon=1e-5), nn.ReLU()
    )


def norm_stock() -> Port:
    """Torch's as it comes: epsilon, momentum and variance."""
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())


def norm_momentum() -> Port:
    """The epsilon was looked up, the momentum was not."""
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU())


def norm_momentum_copied() -> Port:
    """Keras's 0.99, which is 0.01 in torch."""
    norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.99)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


def norm_unbiased() -> Port:
    """Both constants are right; the variance has n - 1."""
    norm = nn.BatchNorm2d(4, eps=1e-3, momentum=0.01)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


def norm_frozen_by_gradient() -> Port:
    """Parameters are frozen, statistics are not."""
    norm = layers.BatchNormalization(4)
    norm.requires_grad_(False)
    return classified(4, nn.Conv2d(3, 4, 3), norm, nn.ReLU())


def norm_frozen_in_torch() -> Port:
    """Keras trains it."""
    norm = layers.BatchNormalization(4, trainable=False)
    return classified(4, nn.Conv2d(3, 4, 3, bias=False), norm, nn.ReLU())


class _Strict(nn.BatchNorm1d):
    """Keras's rule for the moving variance, and torch's function, which asks for two values."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(0), 0.1)
            self.running_var.lerp_(x.var(0, unbiased=False), 0.1)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def norm_of_one() -> Port:
    """A last batch of one sample raises."""
    return classified(6, nn.Linear(7, 6), _Strict(6, eps=1e-4), nn.ReLU())


def dropout_inverted() -> Port:
    """The rate is what is kept, as in TensorFlow 1."""
    return classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(0.7), nn.Linear(12, 6), nn.Dropout(0.5)
    )


def dropout_rate() -> Port:
    """Torch's default."""
    return classified(6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(), nn.Linear(12, 6), nn.Dropout())


class _Dropped(nn.Module):
    def __init__(self, training: bool) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(7, 12), nn.Linear(12, 6), nn.Linear(6, 5)
        self.is_on = training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(F.relu(self.fc1(x)), 0.3, training=self.is_on)
        return self.fc3(F.dropout(self.fc2(x), 0.5, training=self.is_on))


def dropout_always() -> Port:
    """The function without `training`."""
    return trained(_Dropped(True))


def dropout_never() -> Port:
    """The function with `training=False`."""
    return trained(_Dropped(False))


def upsampled_nearest() -> Port:
    """Torch's default."""
    return classified(3, nn.Conv2d(3, 4, 2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3))


def upsampled_corners() -> Port:
    """Corners are aligned."""
    larger = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return classified(3, nn.Conv2d(3, 4, 2), larger, nn.Conv2d(4, 3, 3))
