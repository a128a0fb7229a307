"""Variable selection by gated residual networks, with F.glu, and class weights.

The mistake: the halves of F.glu are exchanged: the gate is what goes through the sigmoid's place.
Others: the shortcut is added behind the normalisation; the variables are chosen over the batch.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class GRN(nn.Module):
    def __init__(self, given, units, gate_first, norm_first):
        super().__init__()
        self.gate_first, self.norm_first = gate_first, norm_first
        self.fc1, self.fc2 = nn.Linear(given, units), nn.Linear(units, units)
        self.value, self.gate = nn.Linear(units, units), nn.Linear(units, units)
        self.drop = nn.Dropout(0.15)
        self.norm = nn.LayerNorm(units, eps=1e-3)
        self.skip = nn.Linear(given, units) if given != units else nn.Identity()

    def forward(self, x):
        h = self.drop(self.fc2(F.elu(self.fc1(x))))
        halves = [self.value(h), self.gate(h)]
        if self.gate_first:
            halves.reverse()
        if self.norm_first:
            return self.skip(x) + self.norm(F.glu(torch.cat(halves, dim=-1)))
        return self.norm(self.skip(x) + F.glu(torch.cat(halves, dim=-1)))


class Income(nn.Module):
    def __init__(self, gate_first=False, norm_first=False, axis=-1, units=6):
        super().__init__()
        self.axis = axis
        self.age, self.hours = nn.Linear(1, units), nn.Linear(1, units)
        self.job = nn.Embedding(5, units)
        self.each = nn.ModuleList(GRN(units, units, gate_first, norm_first) for _ in range(3))
        self.all = GRN(3 * units, units, gate_first, norm_first)
        self.choose = nn.Linear(units, 3)
        self.out = nn.Linear(units, 1)

    def forward(self, age, hours, job):
        features = [self.age(age), self.hours(hours), self.job(job.long())]
        weights = self.choose(self.all(torch.cat(features, -1))).softmax(self.axis)
        made = torch.stack([grn(x) for grn, x in zip(self.each, features, strict=True)], dim=1)
        return self.out((weights.unsqueeze(-1) * made).sum(1))


class WeightedBCE(nn.Module):
    def forward(self, logits, labels, sample_weight=None):
        return F.binary_cross_entropy_with_logits(
            logits.squeeze(-1), labels.reshape(-1).to(logits.dtype), sample_weight
        )


def port(net):
    keras_init(net)
    return Port(
        net,
        loss=WeightedBCE(),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.001),
        class_weight={0: 1.0, 1: 3.0},
    )


def right():
    return port(Income())


def wrong():
    return port(Income(gate_first=True))


def wrong_shortcut():
    return port(Income(norm_first=True))


def wrong_choice():
    return port(Income(axis=0))
