"""Right ports of the models of `keras_layers`."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from benchmarks.pairs.torch_base import NUM_CLASSES, Lambda, classified, trained
from torch_impl import Port, layers

# --- normalisation --------------------------------------------------------------------------------


class TorchNorm(nn.BatchNorm1d):
    """Keras's rule for the moving variance, with torch's function, which needs two samples."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: D102
        if not self.training:
            return super().forward(x)
        with torch.no_grad():
            self.running_mean.lerp_(x.mean(0), 0.1)
            self.running_var.lerp_(x.var(0, unbiased=False), 0.1)
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)


def batch_norm_dense() -> Port:
    """Batch normalisation of features."""
    norm = layers.BatchNormalization(6, momentum=0.9, epsilon=1e-4)
    return classified(6, nn.Linear(7, 6), norm, nn.ReLU())


def batch_norm_of_33_rows() -> Port:
    """The same for a model that gets batches of one row: the layer of `torch_impl` takes them."""
    return batch_norm_dense()


def batch_norm_dense_torch() -> Port:
    """The same by torch's function: a batch of one sample raises, and none is known."""
    norm = TorchNorm(6, eps=1e-4)
    return classified(6, nn.Linear(7, 6), norm, nn.ReLU())


def batch_norm_frozen() -> Port:
    """A batch normalisation that is not trained."""
    norm = layers.BatchNormalization(4, trainable=False)
    norm.requires_grad_(False)
    return classified(4, nn.Conv2d(3, 4, 3), norm, nn.ReLU())


class _Frozen(nn.BatchNorm2d):
    """Stays in eval mode."""

    def train(self, mode: bool = True) -> Any:
        return super().train(False)


def batch_norm_frozen_stock() -> Port:
    """Torch's own, in eval mode and with frozen parameters."""
    norm = _Frozen(4, eps=1e-3)
    norm.requires_grad_(False)
    return classified(4, nn.Conv2d(3, 4, 3), norm, nn.ReLU())


class _Tokens(nn.Module):
    """Keeps features last throughout, as transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(4, 6)
        self.norm = nn.LayerNorm(6, eps=1e-6)
        self.fc2 = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc2(self.norm(F.gelu(self.fc1(x))).mean(dim=1))


# --- pooling, shapes ------------------------------------------------------------------------------


def max_pool_same() -> Port:
    """Uses the layer of this project."""
    pool = layers.MaxPooling2D(3, strides=2, padding="same")
    return classified(4, nn.Conv2d(3, 4, 3), pool)


def _minus_infinity(x: torch.Tensor) -> torch.Tensor:
    right, bottom = x.shape[3] % 2 + 1, x.shape[2] % 2 + 1
    return F.pad(x, (right - 1, 1, bottom - 1, 1), value=float("-inf"))


def average_pool_same() -> Port:
    """Uses the layer of this project."""
    pool = layers.AveragePooling2D(3, strides=2, padding="same")
    return classified(4, nn.Conv2d(3, 4, 3), nn.ReLU(), pool)


class _View(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 3, 3)
        self.fc1 = nn.Linear(27, 6)
        self.fc2 = nn.Linear(6, NUM_CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.relu(self.fc1(x.view(-1, 27)))
        return self.fc2(x)


def upsampled_bilinear() -> Port:
    """Uses torch's function."""
    larger = Lambda(lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"))
    return classified(3, nn.Conv2d(3, 4, 2), larger, nn.Conv2d(4, 3, 3))


globals().update(
    # normalisation
    batch_norm=lambda: classified(
        4,
        nn.Conv2d(3, 4, 3, bias=False),
        layers.BatchNormalization(4),
        nn.ReLU(inplace=True),
    ),
    batch_norm_plain=lambda: classified(
        5,
        nn.Conv2d(3, 4, 3, bias=False),
        layers.BatchNormalization(4, scale=False),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3),
        layers.BatchNormalization(5, center=False, scale=False),
    ),
    # Torch's own, with Keras's epsilon.
    layer_norm=lambda: classified(6, nn.Linear(7, 6), nn.Tanh(), nn.LayerNorm(6, eps=1e-3)),
    layer_norm_sequence=lambda: trained(_Tokens()),
    # Torch's own, with Keras's epsilon.
    group_norm=lambda: classified(6, nn.Conv2d(3, 6, 3), nn.GroupNorm(3, 6, eps=1e-3), nn.ReLU()),
    # pooling, shapes
    max_pool=lambda: classified(5, nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3)),
    # Torch's own, padded by hand with values that are never the greatest.
    max_pool_same_padded=lambda: classified(
        4, nn.Conv2d(3, 4, 3), Lambda(_minus_infinity), nn.MaxPool2d(3, stride=2)
    ),
    average_pool=lambda: classified(
        5,
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        Lambda(lambda x: F.avg_pool2d(x, 2)),
        nn.Conv2d(4, 5, 3),
    ),
    # One from torch, one from this project.
    pool_1d=lambda: classified(
        6,
        nn.Conv1d(4, 6, 3),
        nn.ReLU(),
        nn.MaxPool1d(2),
        layers.AveragePooling1D(3, strides=2, padding="same"),
    ),
    global_max=lambda: classified(
        6, nn.Conv2d(3, 6, 3), nn.ReLU(), Lambda(lambda x: x.amax(dim=(2, 3)))
    ),
    global_max_adaptive=lambda: classified(
        6, nn.Conv2d(3, 6, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten()
    ),
    # Flattened with channels first; loading reorders the rows of the kernel.
    flatten=lambda: classified(
        6,
        nn.Conv2d(2, 3, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(27, 6),
        nn.ReLU(),
    ),
    # Flattened in Keras's order.
    flatten_keras=lambda: classified(
        6,
        nn.Conv2d(2, 3, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        layers.Flatten(),
        nn.Linear(27, 6),
        nn.ReLU(),
    ),
    flatten_view=lambda: trained(_View()),  # Flattened by `view`.
    # A layer with an entry for each feature comes between flatten and dense.
    flatten_norm=lambda: classified(
        6,
        nn.Conv2d(2, 3, 3),
        nn.Flatten(),
        layers.BatchNormalization(60),
        nn.Dropout(0.3),
        nn.Linear(60, 6),
    ),
    mlp_square=lambda: classified(6, nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.Tanh()),
    # Keras's shape, then channels first.
    reshaped=lambda: classified(
        4,
        nn.Linear(5, 24),
        nn.ReLU(),
        Lambda(lambda x: x.reshape(-1, 3, 4, 2).permute(0, 3, 1, 2)),
        nn.Conv2d(2, 4, 2),
        nn.ReLU(),
    ),
    # Torch's own padding, cropped by slices.
    padded=lambda: classified(
        3,
        nn.ZeroPad2d((0, 3, 1, 2)),
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        Lambda(lambda x: x[:, :, 2:-1, 1:]),
        nn.Conv2d(4, 3, 3),
    ),
    upsampled=lambda: classified(
        3, nn.Conv2d(3, 4, 2), nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 3)
    ),
)
