"""The port that one writes first: layer by layer, with torch's own parts and their defaults.

It trains, its loss falls, and it is another program in eight places. README.md finds them.
"""

import torch
from torch import nn

from torch_impl import Port

NUM_CLASSES = 10
L2 = 1e-4


def block(in_channels, filters, stride):
    """Convolution, normalisation, activation."""
    return nn.Sequential(
        nn.Conv2d(in_channels, filters, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(filters),
        nn.ReLU(),
    )


def build():
    """Returns the model with what trains it."""
    model = nn.Sequential(
        block(3, 8, stride=1),
        block(8, 16, stride=2),
        block(16, 24, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(24, NUM_CLASSES),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=L2)
    return Port(
        model,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=3),
    )
