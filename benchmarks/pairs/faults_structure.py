"""Ports with one mistake each in their layers, or in which of them are trained."""

from __future__ import annotations

import torch
from torch import nn

from benchmarks.pairs import torch_branches, torch_convolutions
from benchmarks.pairs.torch_base import Classifier, classified, trained
from torch_impl import Port, layers

# --- initial weights, gradients -------------------------------------------------------------------


def conv_kaiming() -> Port:
    port = torch_convolutions.conv_valid()
    port.module.features[0].reset_parameters()
    nn.init.zeros_(port.module.features[0].bias)
    return port


def embedding_normal() -> Port:
    port = torch_branches.embedding()
    port.module.embedding.reset_parameters()
    return port


def lstm_recurrent_uniform() -> Port:
    port = torch_branches.lstm()
    nn.init.uniform_(port.module.lstm.weight_hh_l0, -(5**-0.5), 5**-0.5)
    return port


class _Detached(Classifier):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x).mean((2, 3))
        return self.head(x.detach())


def features_frozen() -> Port:
    port = torch_convolutions.conv_valid()
    port.module.features[0].requires_grad_(False)
    return port


globals().update(
    # structure
    bias_missing=lambda: classified(4, nn.Conv2d(3, 4, 3, bias=False), nn.ReLU()),
    bias_extra=lambda: classified(4, nn.Conv2d(3, 4, 3), layers.BatchNormalization(4), nn.ReLU()),
    kernel_size=lambda: classified(4, nn.Conv2d(3, 4, 5), nn.ReLU()),
    num_units=lambda: classified(8, nn.Linear(7, 8), nn.GELU(), nn.Linear(8, 8), nn.SiLU()),
    activation_other=lambda: classified(6, nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU()),
    activation_missing=lambda: classified(6, nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6)),
    layer_missing=lambda: classified(6, nn.Linear(6, 6), nn.ReLU()),
    norm_extra=lambda: classified(4, nn.Conv2d(3, 4, 3), layers.BatchNormalization(4), nn.ReLU()),
    dropout_missing=lambda: classified(
        6, nn.Linear(7, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 6)
    ),
    dropout_extra=lambda: classified(
        6, nn.Linear(7, 6), nn.GELU(), nn.Linear(6, 6), nn.SiLU(), nn.Dropout(0.2)
    ),
    # initial weights, gradients
    features_detached=lambda: trained(_Detached(4, nn.Conv2d(3, 4, 3), nn.ReLU())),
    # recurrent layers
    frames_joined=lambda: trained(torch_branches.Frames(joined=True)),
    biases_clipped_apart=lambda: torch_branches.gru_clipped(joins=False),
    lstm_second_bias=lambda: torch_branches.lstm_torch(),
    gru_reset_after=lambda: torch_branches.gru_torch(),
)
