"""Compact convolutional transformer. Mistake: label smoothing is forgotten."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import MaxPooling2D
from torch_impl.optim import AdamW


class DropPath(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        if not self.training:
            return x
        keep = 1.0 - self.rate
        mask = torch.rand(x.shape[0], *(1,) * (x.dim() - 1), dtype=x.dtype, device=x.device)
        return x / keep * torch.floor(mask + keep)


class SelfAttention(nn.Module):
    def __init__(self, dim, heads, head_dim, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(dim, heads * head_dim)
        self.key = nn.Linear(dim, heads * head_dim)
        self.value = nn.Linear(dim, heads * head_dim)
        self.proj = nn.Linear(heads * head_dim, dim)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        x = F.scaled_dot_product_attention(
            q, k, v, dropout_p=self.dropout if self.training else 0.0
        )
        return self.proj(x.transpose(1, 2).flatten(2))


class EncoderLayer(nn.Module):
    def __init__(self, dim, heads, hidden, path_rate):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-5)
        self.attention = SelfAttention(dim, heads, dim, 0.1)
        self.path1 = DropPath(path_rate)
        self.norm2 = nn.LayerNorm(dim, eps=1e-5)
        self.feed_forward = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU(approximate="tanh"),
            nn.Dropout(0.1),
            nn.Linear(hidden, dim),
            nn.GELU(approximate="tanh"),
            nn.Dropout(0.1),
        )
        self.path2 = DropPath(path_rate)

    def forward(self, x):
        x = x + self.path1(self.attention(self.norm1(x)))
        return x + self.path2(self.feed_forward(self.norm2(x)))


class CCT(nn.Module):
    def __init__(self, dim=8, tokens=9, classes=4):
        super().__init__()
        self.tokenizer = nn.Sequential(
            nn.Conv2d(3, 6, 3, bias=False),
            nn.ReLU(),
            nn.ZeroPad2d(1),
            MaxPooling2D(3, 2, "same"),
            nn.Conv2d(6, dim, 3, bias=False),
            nn.ReLU(),
            nn.ZeroPad2d(1),
            MaxPooling2D(3, 2, "same"),
        )
        self.position = nn.Parameter(nn.init.xavier_uniform_(torch.empty(tokens, dim)))
        self.layers = nn.ModuleList(EncoderLayer(dim, 2, 12, rate) for rate in (0.0, 0.3))
        self.norm = nn.LayerNorm(dim, eps=1e-5)
        self.pool = nn.Linear(dim, 1)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.tokenizer(x).flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        weights = self.pool(x).softmax(dim=1)
        return self.head((weights * x).sum(dim=1))


def build(mistake=False):
    net = keras_init(CCT())
    for module in net.tokenizer:
        if isinstance(module, nn.Conv2d):
            fan_in = module.weight[0].numel()
            std = (2.0 / fan_in) ** 0.5 / 0.87962566103423978
            nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(label_smoothing=0.0 if mistake else 0.1),
        optimizer=AdamW(net.parameters(), learning_rate=1e-3, weight_decay=1e-4),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
