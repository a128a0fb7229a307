"""The forecast of the series in PyTorch."""

import torch
from torch import nn

from torch_impl import Port
from torch_impl.layers import Conv1D
from torch_impl.optim import Adadelta
from torch_impl.schedule import EarlyStopping


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv1d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def build():
    net = nn.Sequential(
        nn.ConstantPad1d((2, 0), 0.0),  # causal
        nn.Conv1d(2, 8, 3),
        nn.ReLU(),
        nn.ConstantPad1d((4, 0), 0.0),
        nn.Conv1d(8, 8, 3, dilation=2),
        nn.ReLU(),
        Conv1D(8, 6, 4, strides=2, padding="same"),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * 10, 12),
        nn.ReLU(),
        nn.Linear(12, 2),
    )
    initialise(net)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=Adadelta(net.parameters(), learning_rate=1.0),
        early_stopping=EarlyStopping(net, min_delta=0.005, patience=4, restore_best_weights=True),
        feed=lambda series: torch.as_tensor(series).transpose(1, 2),
        metrics=["mae", "mse"],
    )
