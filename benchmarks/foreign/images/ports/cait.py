"""CaiT. Mistake: attention is normalised before the heads are mixed the first time."""

import torch
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import AdamW


def mlp(dim, rate):
    return nn.Sequential(
        nn.Linear(dim, 2 * dim),
        nn.GELU(),
        nn.Dropout(rate),
        nn.Linear(2 * dim, dim),
        nn.Dropout(rate),
    )


class TalkingHeads(nn.Module):
    def __init__(self, dim, heads, rate, early):
        super().__init__()
        self.heads, self.early = heads, early
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.mix_before, self.mix_after = nn.Linear(heads, heads), nn.Linear(heads, heads)
        self.attn_drop, self.proj_drop = nn.Dropout(rate), nn.Dropout(rate)

    def forward(self, x):
        b, n, c = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q * (c // self.heads) ** -0.5) @ k.transpose(-2, -1)
        if self.early:
            scores = scores.softmax(-1)
        scores = self.mix_before(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        if not self.early:
            scores = scores.softmax(-1)
        scores = self.mix_after(scores.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        x = (self.attn_drop(scores) @ v).transpose(1, 2).reshape(b, n, c)
        return self.proj_drop(self.proj(x))


class ClassAttention(nn.Module):
    def __init__(self, dim, heads, rate):
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = nn.Linear(dim, dim), nn.Linear(dim, dim), nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.attn_drop, self.proj_drop = nn.Dropout(rate), nn.Dropout(rate)

    def forward(self, x):
        b, n, c = x.shape
        width = c // self.heads
        q = self.q(x[:, :1]).view(b, 1, self.heads, width).transpose(1, 2)
        k = self.k(x).view(b, n, self.heads, width).transpose(1, 2)
        v = self.v(x).view(b, n, self.heads, width).transpose(1, 2)
        weights = ((q * width**-0.5) @ k.transpose(-2, -1)).softmax(-1)
        y = (self.attn_drop(weights) @ v).transpose(1, 2).reshape(b, 1, c)
        return self.proj_drop(self.proj(y))


class Block(nn.Module):
    def __init__(self, dim, heads, rate, early):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.attn = TalkingHeads(dim, heads, rate, early)
        self.mlp = mlp(dim, rate)
        self.gamma_1 = nn.Parameter(torch.full((dim,), 0.1))
        self.gamma_2 = nn.Parameter(torch.full((dim,), 0.1))

    def forward(self, x):
        x = x + self.gamma_1 * self.attn(self.norm1(x))
        return x + self.gamma_2 * self.mlp(self.norm2(x))


class CaiT(nn.Module):
    def __init__(self, early=False, dim=8, heads=2, depth=2, classes=5, rate=0.1, tokens=12):
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, 4, stride=4)
        self.cls_token = nn.Parameter(torch.randn(1, 1, dim) * 0.05)
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, dim) * 0.05)
        self.pos_drop = nn.Dropout(rate)
        self.blocks = nn.Sequential(*(Block(dim, heads, rate, early) for _ in range(depth)))
        self.cls_norm1, self.cls_norm2 = nn.LayerNorm(dim, 1e-6), nn.LayerNorm(dim, 1e-6)
        self.cls_attn = ClassAttention(dim, heads, rate)
        self.cls_mlp = mlp(dim, rate)
        self.cls_gamma_1 = nn.Parameter(torch.full((dim,), 0.1))
        self.cls_gamma_2 = nn.Parameter(torch.full((dim,), 0.1))
        self.norm = nn.LayerNorm(dim, 1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x).flatten(2).transpose(1, 2)
        x = self.blocks(self.pos_drop(x + self.pos_embed))
        cls = self.cls_token.expand(len(x), -1, -1)
        attended = self.cls_attn(self.cls_norm1(torch.cat([cls, x], dim=1)))
        cls = cls + self.cls_gamma_1 * attended
        cls = cls + self.cls_gamma_2 * self.cls_mlp(self.cls_norm2(cls))
        return self.head(self.norm(cls).squeeze(1))


def build(mistake=False):
    net = keras_init(CaiT(early=mistake))
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-2),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
