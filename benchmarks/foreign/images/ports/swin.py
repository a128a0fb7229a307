"""Swin windows. Mistake: the image is shifted by +1 before the windows, not by -1."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import AdamW

WINDOW = 2


def to_windows(x):
    """(N, H, W, C) to (N * windows, 4, C)."""
    n, h, w, c = x.shape
    x = x.view(n, h // WINDOW, WINDOW, w // WINDOW, WINDOW, c).transpose(2, 3)
    return x.reshape(-1, WINDOW * WINDOW, c)


def from_windows(x, h, w):
    c = x.shape[-1]
    x = x.view(-1, h // WINDOW, w // WINDOW, WINDOW, WINDOW, c).transpose(2, 3)
    return x.reshape(-1, h, w, c)


class WindowAttention(nn.Module):
    def __init__(self, dim, heads, rate):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.drop, self.proj_drop = nn.Dropout(rate), nn.Dropout(rate)
        side = 2 * WINDOW - 1
        self.bias_table = nn.Parameter(torch.empty(side * side, heads))
        std = 0.5
        nn.init.trunc_normal_(self.bias_table, std=std, a=-2 * std, b=2 * std)
        place = torch.stack(
            torch.meshgrid(torch.arange(WINDOW), torch.arange(WINDOW), indexing="ij")
        ).flatten(1)
        offset = place[:, :, None] - place[:, None] + WINDOW - 1
        self.register_buffer("index", offset[0] * side + offset[1], persistent=False)

    def forward(self, x, mask):
        b, tokens, dim = x.shape
        q, k, v = self.qkv(x).view(b, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (q * (dim // self.heads) ** -0.5) @ k.transpose(-2, -1)
        scores = scores + self.bias_table[self.index].permute(2, 0, 1)
        if mask is not None:
            scores = scores.view(-1, len(mask), self.heads, tokens, tokens) + mask[:, None]
            scores = scores.view(b, self.heads, tokens, tokens)
        x = self.drop(scores.softmax(-1)) @ v
        return self.proj_drop(self.proj(x.transpose(1, 2).reshape(b, tokens, dim)))


class Block(nn.Module):
    def __init__(self, dim, heads, size, shift, rate, direction):
        super().__init__()
        self.size, self.shift, self.direction = size, shift, direction
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = WindowAttention(dim, heads, rate)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(rate),
            nn.Linear(2 * dim, dim),
            nn.Dropout(rate),
        )
        mask = None
        if shift:
            h, w = size
            region = torch.zeros(1, h, w, 1)
            cuts = (slice(0, -WINDOW), slice(-WINDOW, -shift), slice(-shift, None))
            for i, rows in enumerate(cuts):
                for j, columns in enumerate(cuts):
                    region[:, rows, columns] = 3 * i + j
            region = to_windows(region).squeeze(-1)
            apart = region[:, None] != region[:, :, None]
            mask = torch.zeros(apart.shape).masked_fill(apart, -100.0)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        h, w = self.size
        y = self.norm1(x).unflatten(1, self.size)
        by = (self.direction * self.shift,) * 2
        if self.shift:
            y = torch.roll(y, by, dims=(1, 2))
        y = from_windows(self.attention(to_windows(y), self.mask), h, w)
        if self.shift:
            y = torch.roll(y, (-by[0], -by[1]), dims=(1, 2))
        x = x + y.flatten(1, 2)
        return x + self.mlp(self.norm2(x))


class Swin(nn.Module):
    def __init__(self, direction=-1, dim=8, size=(6, 4), classes=6):
        super().__init__()
        self.size = size
        self.embed = nn.Conv2d(3, dim, 2, stride=2)
        self.blocks = nn.Sequential(
            *(Block(dim, 2, size, shift, 0.03, direction) for shift in (0, 1))
        )
        self.merge = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.head = nn.Linear(2 * dim, classes)

    def forward(self, x):
        x = self.blocks(self.embed(x).flatten(2).transpose(1, 2))
        x = x.unflatten(1, self.size)
        corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x = self.merge(torch.cat(corners, dim=-1))
        return self.head(x.mean(dim=(1, 2)))


def build(mistake=False):
    net = keras_init(Swin(direction=1 if mistake else -1))

    def loss(logits, target):
        return F.cross_entropy(logits, target, label_smoothing=0.1)

    return Port(
        net,
        loss=loss,
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-4, clipnorm=1.0),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
