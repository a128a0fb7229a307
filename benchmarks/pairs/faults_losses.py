"""Ports with one mistake each in their initial weights, their loss or their penalties."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmarks.pairs.torch_base import keras_init
from benchmarks.pairs.torch_net import mlp, port
from torch_impl import Port, losses
from torch_impl.penalty import Penalty, RegularizedLoss
from torch_impl.regularizers import L2

# --- initial weights ------------------------------------------------------------------------------


def _wide() -> nn.Module:
    return keras_init(nn.Sequential(nn.Linear(23, 31), nn.ReLU(), nn.Linear(31, 5)))


def kernels_kaiming() -> Port:
    module = _wide()
    for layer in (module[0], module[2]):
        layer.reset_parameters()
        nn.init.zeros_(layer.bias)
    return port(nn.MSELoss(), module)


def kernels_normal() -> Port:
    module = _wide()
    nn.init.xavier_normal_(module[0].weight)
    return port(nn.MSELoss(), module)


def biases_drawn() -> Port:
    module = _wide()
    for layer in (module[0], module[2]):
        layer.reset_parameters()
        nn.init.xavier_uniform_(layer.weight)
    return port(nn.MSELoss(), module)


def normal_not_truncated() -> Port:
    module = keras_init(nn.Sequential(nn.Linear(40, 60), nn.ReLU(), nn.Linear(60, 5)))
    nn.init.kaiming_normal_(module[0].weight, nonlinearity="relu")
    return port(nn.MSELoss(), module)


# --- losses and penalties -------------------------------------------------------------------------


def class_weights_mean() -> Port:
    weights = torch.tensor([0.7, 1.0, 2.9], dtype=torch.float64)
    return port(nn.CrossEntropyLoss(weight=weights), mlp(3))


def l2_half() -> Port:
    module = mlp()
    return port(RegularizedLoss(nn.MSELoss(), Penalty(module, {"0.weight": L2(0.01)})), module)


def l2_biases() -> Port:
    module = mlp()
    penalty = Penalty(module, {"0.weight": L2(0.02), "0.bias": L2(0.02)})
    return port(RegularizedLoss(nn.MSELoss(), penalty), module)


def l2_everywhere() -> Port:
    module = mlp()
    penalty = Penalty(module, {"0.weight": L2(0.02), "2.weight": L2(0.02)})
    return port(RegularizedLoss(nn.MSELoss(), penalty), module)


def l2_as_decay() -> Port:
    module = mlp()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, weight_decay=0.04)
    return Port(module, loss=nn.MSELoss(), optimizer=optimizer)


globals().update(
    # losses and penalties
    softmax_twice=lambda: port(nn.CrossEntropyLoss(), mlp(4, nn.Softmax(dim=-1))),
    sigmoid_twice=lambda: port(nn.BCEWithLogitsLoss(), mlp(1, nn.Sigmoid())),
    softmax_clipped=lambda: port(
        losses.SparseCategoricalCrossentropy(), mlp(4, nn.Softmax(dim=-1))
    ),
    smoothing_missing=lambda: port(nn.CrossEntropyLoss(), mlp(4)),
    smoothing_other=lambda: port(nn.CrossEntropyLoss(label_smoothing=0.2), mlp(4)),
    class_weights_missing=lambda: port(nn.CrossEntropyLoss(), mlp(3)),
    broadcast=lambda: port(
        lambda output, target: ((output - target) ** 2).mean(),
        mlp(1),
        target=lambda y: torch.from_numpy(np.array(y)).flatten(),
    ),
    loss_summed=lambda: port(nn.MSELoss(reduction="sum")),
    loss_of_samples=lambda: port(lambda output, target: ((output - target) ** 2).mean(1)),
    loss_absolute=lambda: port(nn.L1Loss()),
    smooth_l1=lambda: port(nn.SmoothL1Loss(beta=0.7)),
    l2_missing=lambda: port(nn.MSELoss()),
)
