"""A vision transformer. Mistake: torch's default epsilon, 1e-5, in the layer normalisations."""

import math

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port, metrics
from torch_impl.optim import AdamW


class Attention(nn.Module):
    def __init__(self, dim, heads, head_dim, dropout):
        super().__init__()
        self.heads, self.head_dim = heads, head_dim
        self.q = nn.Linear(dim, heads * head_dim)
        self.k = nn.Linear(dim, heads * head_dim)
        self.v = nn.Linear(dim, heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)
        self.drop = nn.Dropout(dropout)

    def split(self, x):
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

    def forward(self, x):
        q, k, v = self.split(self.q(x)), self.split(self.k(x)), self.split(self.v(x))
        scores = q @ k.transpose(-2, -1) / math.sqrt(self.head_dim)
        x = self.drop(scores.softmax(dim=-1)) @ v
        return self.out(x.transpose(1, 2).flatten(2))


class Mlp(nn.Sequential):
    def __init__(self, sizes, rate):
        parts = []
        for before, after in zip(sizes, sizes[1:], strict=False):
            parts += [nn.Linear(before, after), nn.GELU(), nn.Dropout(rate)]
        super().__init__(*parts)


class Block(nn.Module):
    def __init__(self, dim, heads, eps):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=eps), nn.LayerNorm(dim, eps=eps)
        self.attention = Attention(dim, heads, dim, 0.1)
        self.mlp = Mlp([dim, dim * 2, dim], 0.1)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self, patch=4, patches=9, dim=8, heads=2, depth=2, classes=5, eps=1e-6):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch * patch * 3, dim)
        self.position = nn.Embedding(patches, dim)
        self.blocks = nn.ModuleList(Block(dim, heads, eps) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=eps)
        self.drop = nn.Dropout(0.5)
        self.features = Mlp([patches * dim, 24, 12], 0.5)
        self.head = nn.Linear(12, classes)

    def forward(self, x):
        n, c, h, w = x.shape
        p = self.patch
        x = x.reshape(n, c, h // p, p, w // p, p).permute(0, 2, 4, 3, 5, 1)
        x = self.embed(x.reshape(n, -1, p * p * c))
        x = x + self.position(torch.arange(x.shape[1], device=x.device))
        for block in self.blocks:
            x = block(x)
        x = self.drop(self.norm(x).flatten(1))
        return self.head(self.features(x))


def build(mistake=False):
    net = keras_init(ViT(eps=1e-5 if mistake else 1e-6))
    nn.init.uniform_(net.position.weight, -0.05, 0.05)
    return Port(
        net,
        loss=lambda logits, labels: F.cross_entropy(logits, labels.long().flatten()),
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-4),
        metrics=[
            metrics.SparseCategoricalAccuracy(name="accuracy"),
            metrics.SparseTopKCategoricalAccuracy(3, name="top-3-accuracy"),
        ],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
