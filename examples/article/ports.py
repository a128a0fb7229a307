"""The three programs in PyTorch, by hand.

Where torch computes something else, a part of `torch_impl` stands; everything else is torch's own.
"""

from torch import nn

from torch_impl import Port
from torch_impl.augment import KerasTransform
from torch_impl.layers import Flatten
from torch_impl.optim import Adam
from torch_impl.schedule import ReduceLROnPlateau


def network(after_pool=(), before_last=()):
    """Returns the network, with further layers at two places, and Keras's kind of weights."""
    net = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *after_pool,
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Flatten(),
        nn.Linear(5 * 5 * 64, 128),
        nn.ReLU(),
        *before_last,
        nn.Linear(128, 10),  # Keras computes its loss from what goes into a softmax at the end
    )
    for layer in net:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
    return net


def capacity():
    """Example 1."""
    net = network()
    optimizer = Adam(net.parameters(), learning_rate=0.001)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=ReduceLROnPlateau(optimizer, monitor="val_loss", factor=0.1, patience=5),
        metrics=["accuracy"],
    )


def augmentation(**changes):
    """Example 2; `changes` are those of the arguments of the transform."""
    net = network()
    arguments = {
        "rotation_range": 10,
        "width_shift_range": 0.1,
        "height_shift_range": 0.1,
        "shear_range": 0.1,
        "zoom_range": 0.1,
        "horizontal_flip": True,
        "fill_mode": "nearest",
        **changes,
    }
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters()),
        augment=KerasTransform(**arguments),
        metrics=["accuracy"],
    )


def dropout():
    """Example 3."""
    net = network(after_pool=[nn.Dropout(0.25)], before_last=[nn.Dropout(0.5)])
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters()),
        metrics=["accuracy"],
    )
