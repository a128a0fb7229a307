"""A network with a squeeze-excite gate of one hidden unit, and ports of it, right and wrong.

x (N, 6, 5, 3) -> conv (6) -> times sigmoid(up(relu(down(mean)))) -> mean -> out (4)
"""

import keras
import torch
from torch import nn
from torch.nn import functional

L = keras.layers


def keras_gated():
    """Half of all draws of this network have a hidden unit that is zero for all samples."""
    inputs = keras.Input((6, 5, 3))
    x = L.Conv2D(6, 3, padding="same", activation="relu", name="conv")(inputs)
    gate = L.GlobalAveragePooling2D(name="squeeze")(x)
    gate = L.Dense(1, activation="relu", name="down")(gate)
    gate = L.Dense(6, activation="sigmoid", name="up")(gate)
    x = L.Multiply(name="gated")([x, L.Reshape((1, 1, 6), name="shape")(gate)])
    x = L.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(inputs, L.Dense(4, activation="softmax", name="out")(x))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


class Gated(nn.Module):
    """The port; `squeezed` and `opened` are what it does to the two ends of its gate."""

    def __init__(self, squeezed, opened):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.down, self.up, self.out = nn.Linear(6, 1), nn.Linear(1, 6), nn.Linear(6, 4)
        self.squeezed, self.opened = squeezed, opened
        for layer in (self.conv, self.down, self.up, self.out):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x):
        x = functional.relu(self.conv(x))
        gate = functional.relu(self.down(self.squeezed(x.mean((2, 3)))))
        gate = self.opened(torch.sigmoid(self.up(gate)))
        return self.out((x * gate[:, :, None, None]).mean((2, 3)))


def _as_it_is(x):
    return x


def torch_gated():
    return Gated(_as_it_is, _as_it_is)


def torch_squeeze_detached():
    """Nothing but the gradient of `conv` shows it."""
    return Gated(torch.Tensor.detach, _as_it_is)


def torch_gate_detached():
    return Gated(_as_it_is, torch.Tensor.detach)
