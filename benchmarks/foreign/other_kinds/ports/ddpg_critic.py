"""A critic of two inputs.

The mistake: the value is squeezed to (N,), and the loss broadcasts it against targets of (N, 1).
"""

import torch
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class Critic(nn.Module):
    def __init__(self, squeeze=False):
        super().__init__()
        self.squeeze = squeeze
        self.of_state = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 8), nn.ReLU())
        self.of_action = nn.Sequential(nn.Linear(2, 8), nn.ReLU())
        self.q = nn.Sequential(
            nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 12), nn.ReLU(), nn.Linear(12, 1)
        )

    def forward(self, state, action):
        q = self.q(torch.cat([self.of_state(state), self.of_action(action)], dim=-1))
        return q.squeeze(-1) if self.squeeze else q


def port(net):
    keras_init(net)
    return Port(net, loss=nn.MSELoss(), optimizer=optim.Adam(net.parameters(), learning_rate=0.002))


def right():
    return port(Critic())


def wrong():
    return port(Critic(squeeze=True))
