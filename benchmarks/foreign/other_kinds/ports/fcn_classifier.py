"""Three convolutions over time with batch normalisation, and a plateau that cuts the rate.

The mistake: torch's plateau, whose threshold is relative, and which cuts one epoch later.
"""

import torch
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, layers, optim, schedule


def block(channels):
    return nn.Sequential(
        nn.Conv1d(channels, 6, 3, padding=1),
        layers.BatchNormalization(6),
        nn.ReLU(),
    )


class FCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(block(1), block(6), block(6))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.body(x).mean(-1))


def port(plateau):
    net = keras_init(FCN())
    optimizer = optim.Adam(net.parameters())
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=plateau(optimizer),
        monitor="val_loss",
        early_stopping=schedule.EarlyStopping(net, patience=8),
        metrics=["sparse_categorical_accuracy"],
    )


def right():
    return port(
        lambda optimizer: schedule.ReduceLROnPlateau(optimizer, factor=0.5, patience=4, min_lr=1e-4)
    )


def wrong():
    return port(
        lambda optimizer: torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=0.5, patience=4, min_lr=1e-4
        )
    )
