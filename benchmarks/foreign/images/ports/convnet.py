"""Simple convnet for digits. Mistake: the softmax stays in front of CrossEntropyLoss."""

from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


def build(mistake=False):
    net = nn.Sequential(
        nn.Conv2d(1, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(12 * 2, 10),
    )
    if mistake:
        net.append(nn.Softmax(dim=1))
    keras_init(net)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters()),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
