"""The port that trains as the Keras program does.

Where torch computes something else, a part of `torch_impl` stands; everything else is torch's own.
"""

from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D
from torch_impl.optim import Adam
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.schedule import ReduceLROnPlateau

NUM_CLASSES = 10
L2 = 1e-4


def block(in_channels, filters, stride):
    """Convolution, normalisation, activation."""
    return nn.Sequential(
        Conv2D(in_channels, filters, 3, strides=stride, padding="same", use_bias=False),
        BatchNormalization(filters),
        nn.ReLU(),
    )


def initialise(model):
    """Keras's default: Glorot-uniform kernels and no biases."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


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
    initialise(model)
    optimizer = Adam(model.parameters(), learning_rate=1e-3)
    return Port(
        model,
        loss=RegularizedLoss(nn.CrossEntropyLoss(), kernel_l2(model, L2)),
        optimizer=optimizer,
        scheduler=ReduceLROnPlateau(optimizer, factor=0.5, patience=3),
    )
