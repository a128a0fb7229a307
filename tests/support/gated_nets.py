"""A network with a squeeze-excite gate of one hidden unit, and ports of it, right and wrong.

x (N, 6, 5, 3) -> conv (6) -> times sigmoid(up(relu(down(mean)))) -> mean -> out (4)
"""

from functools import partial

import keras
import torch
from small_nets import Net, initialised
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


def gated(squeezed=lambda x: x, opened=lambda x: x):
    """The port; `squeezed` and `opened` are what it does to the two ends of its gate."""

    def run(net, x):
        x = functional.relu(net.conv(x))
        gate = functional.relu(net.down(squeezed(x.mean((2, 3)))))
        gate = opened(torch.sigmoid(net.up(gate)))
        return net.out((x * gate[:, :, None, None]).mean((2, 3)))

    net = Net(
        run,
        conv=nn.Conv2d(3, 6, 3, padding=1),
        down=nn.Linear(6, 1),
        up=nn.Linear(1, 6),
        out=nn.Linear(6, 4),
    )
    return initialised(net)


# Nothing but the gradient of `conv` shows that the squeeze is detached.
torch_gated = gated
torch_squeeze_detached = partial(gated, squeezed=torch.Tensor.detach)
torch_gate_detached = partial(gated, opened=torch.Tensor.detach)
