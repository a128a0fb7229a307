"""A heart-disease classifier whose features are encoded with plain torch.

The mistake: the variance is taken for the standard deviation: the number is divided by 2.5 instead
of its root.
"""

import torch
import torch.nn.functional as F
from torch import nn

from torch_impl import Port, optim


class Heart(nn.Module):
    def __init__(self, spread=2.5**0.5):
        super().__init__()
        self.spread = spread
        self.register_buffer("vocabulary", torch.tensor([3, 6, 7, 9]))
        self.register_buffer("bounds", torch.tensor([-0.7, 0.1, 0.8]))
        self.net = nn.Sequential(
            nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 1), nn.Sigmoid()
        )
        for layer in (self.net[0], self.net[3]):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, sex, thal, age, rest_bp):
        known = thal.long() == self.vocabulary  # (N, 4); an unknown word is number 0
        word = torch.where(known.any(-1), known.long().argmax(-1) + 1, 0)
        decade = torch.bucketize(age.contiguous(), self.bounds.to(age.dtype), right=True)
        x = [
            F.one_hot(sex.long().squeeze(-1), 2),
            F.one_hot(word, 5),
            F.one_hot(decade.squeeze(-1), 4),
            (rest_bp - 0.2) / self.spread,
        ]
        return self.net(torch.cat([part.to(rest_bp.dtype) for part in x], dim=-1))


def port(net):
    return Port(
        net,
        loss=nn.BCELoss(),
        optimizer=optim.Adam(net.parameters()),
        target=lambda y: torch.as_tensor(y).reshape(-1, 1).to(next(net.parameters()).dtype),
        metrics=["accuracy"],
    )


def right():
    return port(Heart())


def wrong():
    return port(Heart(spread=2.5))
