"""Its port by hand, and one that is wrong from the middle on."""

from chaotic_keras import RATE
from torch import nn

from torch_impl import Port, optim
from torch_impl.losses import MeanSquaredError


def build(before_step=None):
    net = nn.Sequential(
        *(nn.Linear(6, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2))
    )
    for layer in net[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    optimizer = optim.SGD(net.parameters(), learning_rate=RATE, momentum=0.9)
    return Port(net, MeanSquaredError(), optimizer, before_step=before_step)


def faster_midway():
    """Its gradients are a millionth larger from step 100 on, when nothing is chaos yet."""
    number = 0

    def enlarge(net):
        nonlocal number
        number += 1
        if number > 100:
            for parameter in net.parameters():
                parameter.grad *= 1 + 1e-6

    return build(before_step=enlarge)
