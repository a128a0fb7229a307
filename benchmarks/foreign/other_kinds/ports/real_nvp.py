"""Coupling layers in a loop, with the penalty of their kernels added to the likelihood.

The mistake: `weight_decay=0.01` of AdamW, in the place of the penalty in the loss.
"""

import torch
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


def mlp(*last):
    return nn.Sequential(
        nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2), *last
    )


class Flow(nn.Module):
    def __init__(self, layers=4):
        super().__init__()
        self.shift = nn.ModuleList(mlp() for _ in range(layers))
        self.scale = nn.ModuleList(mlp(nn.Tanh()) for _ in range(layers))
        self.register_buffer("masks", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (layers // 2)))

    def forward(self, x):
        log_det = x.new_zeros(len(x))
        for i in reversed(range(len(self.masks))):
            mask = self.masks[i]
            kept = x * mask
            s = self.scale[i](kept) * (1 - mask)
            t = self.shift[i](kept) * (1 - mask)
            x = kept + (1 - mask) * (x - t) * torch.exp(-s)
            log_det = log_det - s.sum(1)
        return torch.cat([x, log_det[:, None]], dim=1)


def negative_log_likelihood(out, _):
    normal = torch.distributions.Normal(0.0, 1.0)
    return -(normal.log_prob(out[:, :2]).sum(1) + out[:, 2]).mean()


def penalty(net):
    return 0.01 * sum(p.square().sum() for p in net.parameters() if p.dim() == 2)


def right():
    net = keras_init(Flow())
    return Port(
        net,
        loss=lambda out, y: negative_log_likelihood(out, y) + penalty(net),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.0001),
    )


def wrong():
    net = keras_init(Flow())
    return Port(
        net,
        loss=negative_log_likelihood,
        optimizer=optim.AdamW(net.parameters(), learning_rate=0.0001, weight_decay=0.01),
    )
