"""Their ports by hand, with optimizers of torch_impl and of torch."""

from functools import partial

from torch import nn

from torch_impl import Port, optim
from torch_impl.losses import MeanSquaredError
from torch_impl.schedule import ExponentialDecay


def build(optimizer=None):
    net = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Dropout(0.25), nn.Linear(6, 1))
    for layer in (net[0], net[3]):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimizer = optimizer or (lambda parameters: optim.Adam(parameters, learning_rate=0.01))
    return Port(net, MeanSquaredError(), optimizer(net.parameters()))


decayed = partial(build, lambda p: optim.AdamW(p, learning_rate=0.01, weight_decay=0.1))


decayed_less = partial(build, lambda p: optim.AdamW(p, learning_rate=0.01, weight_decay=0.099))


nadam = partial(build, lambda p: optim.Nadam(p, learning_rate=0.01))


def scheduled():
    rate = ExponentialDecay(0.02, 3, 0.9)
    return build(lambda p: optim.SGD(p, learning_rate=rate, momentum=0.9))
