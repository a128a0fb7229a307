"""WaveNet for a series: causal dilated convolutions with gates, and quantiles of the next value."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, glorot_

QUANTILES = (0.1, 0.5, 0.9)


class CausalConv1d(nn.Conv1d):
    def forward(self, x):
        return super().forward(F.pad(x, (self.dilation[0] * (self.kernel_size[0] - 1), 0)))


class Block(nn.Module):
    def __init__(self, filters, dilation, last):
        super().__init__()
        self.tanh = CausalConv1d(filters, filters, 2, dilation=dilation)
        self.gate = CausalConv1d(filters, filters, 2, dilation=dilation)
        self.skip = nn.Conv1d(filters, 8, 1)
        # Nothing follows the last block but its skip.
        self.residual = None if last else nn.Conv1d(filters, filters, 1)

    def forward(self, x):
        z = torch.tanh(self.tanh(x)) * torch.sigmoid(self.gate(x))
        return x if self.residual is None else x + self.residual(z), self.skip(z)


class WaveNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = CausalConv1d(2, 6, 3)
        self.blocks = nn.ModuleList([Block(6, d, last=d == 8) for d in (1, 2, 4, 8)])
        self.hidden = nn.Conv1d(8, 8, 1)
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Conv1d(8, len(QUANTILES), 1)

    def forward(self, series):
        x = self.first(series.transpose(1, 2))
        total = 0
        for block in self.blocks:
            x, skip = block(x)
            total = total + skip
        x = self.dropout(F.relu(self.hidden(F.relu(total))))
        return self.out(x).transpose(1, 2)


def pinball(outputs, targets):
    error = targets - outputs
    quantiles = torch.tensor(QUANTILES, dtype=outputs.dtype)
    return torch.maximum(quantiles * error, (quantiles - 1) * error).mean()


def build():
    net = glorot_(WaveNet())
    optimizer = KerasAdam(net.parameters(), lr=3e-3, betas=(0.9, 0.99))
    return Port(
        net,
        loss=pinball,
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5 ** (step / 4)),
        feed=torch.from_numpy,
    )
