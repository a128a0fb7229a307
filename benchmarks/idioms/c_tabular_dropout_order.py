"""Regression on a table, as in many notebooks: blocks of Dense, BatchNorm, ReLU and Dropout.

The faulty twin drops values in front of the batch norm, not behind the ReLU.
"""

from itertools import pairwise

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim


def keras_model():
    def block(units):
        return [
            layers.Dense(units),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dropout(0.25),
        ]

    model = keras_sequential(keras.Input((14,)), *block(24), *block(18), layers.Dense(1))
    model.compile(optimizers.Adamax(3e-3), "mae")
    return model


def _port(block):
    class TabularModel(nn.Module):
        def __init__(self, n_features, hidden):
            super().__init__()
            sizes = [n_features, *hidden]
            self.blocks = nn.Sequential(*(block(a, b) for a, b in pairwise(sizes)))
            self.head = nn.Linear(hidden[-1], 1)
            keras_init(self)

        def forward(self, x):
            return self.head(self.blocks(x))

    net = TabularModel(14, [24, 18])
    return Port(net, loss=nn.L1Loss(), optimizer=optim.Adamax(net.parameters(), learning_rate=3e-3))


def _norm(features):
    from torch_impl.layers import BatchNormalization  # takes a batch of one as well

    return BatchNormalization(features)


def right_port():
    return _port(lambda a, b: nn.Sequential(nn.Linear(a, b), _norm(b), nn.ReLU(), nn.Dropout(0.25)))


def faulty_port():
    return _port(lambda a, b: nn.Sequential(nn.Linear(a, b), nn.Dropout(0.25), _norm(b), nn.ReLU()))
