"""MLP-Mixer. Mistake: the tokens are reshaped into channels, not transposed."""

import torch
from common import keras_init
from torch import nn

from torch_impl import Port, metrics
from torch_impl.optim import AdamW


def mlp(before, hidden, after, rate):
    return nn.Sequential(
        nn.Linear(before, hidden), nn.GELU(), nn.Linear(hidden, after), nn.Dropout(rate)
    )


class MixerLayer(nn.Module):
    def __init__(self, tokens, dim, rate, reshaped):
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.token_mlp = mlp(tokens, tokens, tokens, rate)
        self.channel_mlp = mlp(dim, tokens, dim, rate)
        self.reshaped = reshaped

    def swap(self, x):
        n, a, b = x.shape
        return x.reshape(n, b, a) if self.reshaped else x.transpose(1, 2)

    def forward(self, x):
        x = x + self.swap(self.token_mlp(self.swap(self.norm(x))))
        return x + self.channel_mlp(self.norm(x))


class Mixer(nn.Module):
    def __init__(self, reshaped=False, patch=4, tokens=6, dim=7, depth=2, classes=4):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch * patch * 3, dim)
        self.position = nn.Parameter(torch.empty(tokens, dim))
        nn.init.xavier_uniform_(self.position)
        self.layers = nn.Sequential(*(MixerLayer(tokens, dim, 0.2, reshaped) for _ in range(depth)))
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):  # (N, 3, H, W)
        p = self.patch
        x = x.unfold(2, p, p).unfold(3, p, p)  # (N, C, rows, columns, p, p)
        x = x.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)
        x = self.layers(self.embed(x) + self.position)
        return self.head(self.drop(x.mean(dim=1)))


def build(mistake=False):
    net = keras_init(Mixer(reshaped=mistake))
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=AdamW(net.parameters(), learning_rate=5e-3, weight_decay=1e-4),
        target=lambda y: torch.as_tensor(y).long().flatten(),
        metrics=[metrics.SparseCategoricalAccuracy(name="acc")],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
