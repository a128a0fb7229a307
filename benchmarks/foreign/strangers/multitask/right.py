"""One trunk, three tasks: classes, a regression and a flag, with weights of losses and of samples."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from ..compat import BatchNorm1d, glorot_

L2 = 1e-2


class MultiTask(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk1 = nn.Linear(12, 16)
        self.norm = BatchNorm1d(16, momentum=0.1)
        self.trunk2 = nn.Linear(16, 12)
        self.dropout = nn.Dropout(0.2)
        self.kind = nn.Linear(12, 4)
        self.size_hidden = nn.Linear(12, 8)
        self.size = nn.Linear(8, 2)
        self.flag = nn.Linear(12, 1)

    def forward(self, features):
        x = self.norm(F.elu(self.trunk1(features)))
        x = self.dropout(F.silu(self.trunk2(x)))
        return {
            "kind": self.kind(x),
            "size": F.softplus(self.size(F.selu(self.size_hidden(x)))),
            "flag": self.flag(x),
        }

    def penalty(self):
        return L2 * (self.trunk1.weight.square().sum() + self.trunk2.weight.square().sum())


def log1p(x):
    return torch.log(x.clamp(min=1e-7) + 1)


def multi_task_loss(outputs, targets, sample_weight):
    w = sample_weight.flatten()
    kind = F.cross_entropy(outputs["kind"], targets["kind"].long().flatten(), reduction="none")
    size = (log1p(outputs["size"]) - log1p(targets["size"])).square().mean(-1)
    flag = F.binary_cross_entropy_with_logits(
        outputs["flag"].flatten(), targets["flag"].to(w.dtype).flatten(), reduction="none"
    )
    return (w * kind).mean() + 0.3 * (w * size).mean() + 0.5 * (w * flag).mean()


def build():
    net = glorot_(MultiTask())
    return Port(
        net,
        loss=multi_task_loss,
        added_loss=lambda net: net.penalty(),
        optimizer=optim.Adam(net.parameters(), learning_rate=2e-3),
    )
