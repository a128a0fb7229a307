"""Wide and deep on a table: one-hot columns beside embeddings, and numbers that are normalised by the data."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import BatchNorm1d, glorot_
from .data import table

WORK, COUNTRY = 6, 9


class Normalization(nn.Module):
    def __init__(self, data):
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(data.mean(0)))
        self.register_buffer("variance", torch.from_numpy(data.var(0)))

    def forward(self, x):
        return (x - self.mean) / self.variance.sqrt().clamp(min=1e-7)


class WideAndDeep(nn.Module):
    def __init__(self):
        super().__init__()
        self.normalization = Normalization(table()["numbers"])
        self.work_embedding = nn.Embedding(WORK, 3)
        self.country_embedding = nn.Embedding(COUNTRY, 4)
        self.hidden = nn.ModuleList([nn.Linear(10, 16, bias=False), nn.Linear(16, 8, bias=False)])
        self.norms = nn.ModuleList([BatchNorm1d(16), BatchNorm1d(8)])
        self.dropout = nn.Dropout(0.1)
        self.income = nn.Linear(WORK + COUNTRY + 8, 1)

    def forward(self, numbers, work, country):
        deep = torch.cat(
            [
                self.normalization(numbers),
                self.work_embedding(work),
                self.country_embedding(country),
            ],
            dim=1,
        )
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            deep = self.dropout(F.relu(norm(layer(deep))))
        wide = [F.one_hot(work.long(), WORK), F.one_hot(country.long(), COUNTRY)]
        return self.income(torch.cat([*(each.to(deep.dtype) for each in wide), deep], dim=1))

    def penalty(self):
        return sum(
            1e-3 * layer.weight.abs().sum() + 1e-3 * layer.weight.square().sum()
            for layer in self.hidden
        )


def loss(logits, targets):
    targets = targets.to(logits.dtype).view_as(logits)
    weights = torch.where(targets > 0.5, 3.0, 1.0)
    smooth = targets * 0.95 + 0.025
    each = F.binary_cross_entropy_with_logits(logits, smooth, reduction="none")
    return (weights * each).mean()


def build():
    net = glorot_(WideAndDeep())
    return Port(
        net,
        loss=loss,
        added_loss=lambda net: net.penalty(),
        # Keras's schedule of the momentum is 0.96 ** t.
        optimizer=torch.optim.NAdam(net.parameters(), lr=2e-3, eps=1e-7, momentum_decay=1.0),
    )
