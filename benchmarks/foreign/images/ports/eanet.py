"""EANet. Mistake: the softmax of the attention map is over the memory units, not the tokens."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port, metrics
from torch_impl.optim import AdamW


class ExternalAttention(nn.Module):
    def __init__(self, dim, heads, axis, ratio=4, rate=0.1):
        super().__init__()
        self.heads, self.axis = heads * ratio, axis
        width = dim * ratio // self.heads
        self.inner = nn.Linear(dim, dim * ratio)
        self.mk = nn.Linear(width, dim // ratio)
        self.mv = nn.Linear(dim // ratio, width)
        self.proj = nn.Linear(dim * ratio, dim)
        self.attn_drop, self.proj_drop = nn.Dropout(rate), nn.Dropout(rate)

    def forward(self, x):
        n, tokens, _ = x.shape
        x = self.inner(x).view(n, tokens, self.heads, -1).permute(0, 2, 1, 3)
        attn = F.softmax(self.mk(x), dim=self.axis)
        attn = attn / (1e-9 + attn.sum(dim=-1, keepdim=True))
        x = self.mv(self.attn_drop(attn)).permute(0, 2, 1, 3).reshape(n, tokens, -1)
        return self.proj_drop(self.proj(x))


class Encoder(nn.Module):
    def __init__(self, dim, hidden, heads, axis):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attention = ExternalAttention(dim, heads, axis)
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU("tanh"),
            nn.Dropout(0.2),
            nn.Linear(hidden, dim),
            nn.Dropout(0.2),
        )

    def forward(self, x):
        x = self.attention(self.ln1(x)) + x
        return self.mlp(self.ln2(x)) + x


class EANet(nn.Module):
    def __init__(self, axis=2, dim=8, tokens=6, classes=5):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, 4, stride=4)
        self.pos = nn.Parameter(torch.empty(tokens, dim).uniform_(-0.05, 0.05))
        self.encoders = nn.ModuleList(Encoder(dim, 12, 1, axis) for _ in range(2))
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.proj(x).flatten(2).transpose(1, 2) + self.pos
        for encoder in self.encoders:
            x = encoder(x)
        return self.head(x.mean(1))


def build(mistake=False):
    net = keras_init(EANet(axis=-1 if mistake else 2))
    nn.init.xavier_uniform_(net.proj.weight.view(8, -1))  # Keras has a dense layer on patches
    return Port(
        net,
        loss=nn.CrossEntropyLoss(label_smoothing=0.1),
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-4),
        metrics=[
            metrics.CategoricalAccuracy(name="accuracy"),
            metrics.TopKCategoricalAccuracy(3, name="top-3-accuracy"),
        ],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
