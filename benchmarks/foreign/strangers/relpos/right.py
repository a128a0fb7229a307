"""Attention with learned relative positions (T5): no scale, RMS normalisation, gated feed-forward."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import glorot_

FEATURES, DIM, HEADS, MAX_DISTANCE = 4, 12, 3, 4


def he_normal_(weight):
    """Cut at two deviations, which are widened for it."""
    std = math.sqrt(2 / weight.shape[1]) / 0.87962566103423978
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


class RelativeAttention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(DIM, DIM, bias=False) for _ in range(4))
        self.relative_bias = nn.Parameter(torch.empty(2 * MAX_DISTANCE + 1, HEADS))

    def reset_parameters(self):
        for layer in (self.q, self.k, self.v, self.o):
            he_normal_(layer.weight)
        nn.init.normal_(self.relative_bias, std=0.3)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(-1, (HEADS, -1)).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        )
        steps = torch.arange(x.shape[1], device=x.device)
        distance = (steps[None, :] - steps[:, None]).clamp(-MAX_DISTANCE, MAX_DISTANCE)
        bias = self.relative_bias[distance + MAX_DISTANCE].permute(2, 0, 1)
        x = F.scaled_dot_product_attention(q, k, v, attn_mask=bias[None], scale=1.0)
        return self.o(x.transpose(1, 2).flatten(2))


class GatedFeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(DIM, 18, bias=False)
        self.up = nn.Linear(DIM, 18, bias=False)
        self.down = nn.Linear(18, DIM, bias=False)

    def forward(self, x):
        return self.down(F.gelu(self.gate(x), approximate="tanh") * self.up(x))


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(FEATURES, DIM)
        self.attention = nn.ModuleList([RelativeAttention() for _ in range(2)])
        self.feed_forward = nn.ModuleList([GatedFeedForward() for _ in range(2)])
        self.norms = nn.ModuleList([nn.RMSNorm(DIM, eps=1e-6) for _ in range(5)])
        self.dropout = nn.Dropout(0.1)
        self.last = nn.Linear(DIM, 2)
        glorot_(self)
        for layer in self.attention:
            layer.reset_parameters()

    def forward(self, x):
        x = self.first(x)
        for i in range(2):
            x = x + self.attention[i](self.norms[2 * i](x))
            x = x + self.dropout(self.feed_forward[i](self.norms[2 * i + 1](x)))
        return self.last(self.norms[4](x).amax(1))


def build():
    net = Encoder()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    return Port(net, loss=nn.HuberLoss(delta=0.5), optimizer=optimizer)
