"""A small vision transformer: patches by a convolution, a class token, learned positions."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, glorot_

PATCH, PATCHES, DIM, HEADS = 4, 9, 16, 2


class Attention(nn.Module):
    def __init__(self, dim, heads, head_dim, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(dim, heads * head_dim)
        self.key = nn.Linear(dim, heads * head_dim)
        self.value = nn.Linear(dim, heads * head_dim)
        self.proj = nn.Linear(heads * head_dim, dim)

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        dropout = self.dropout if self.training else 0.0
        x = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        return self.proj(x.transpose(1, 2).flatten(2))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(DIM, eps=1e-6)
        self.attention = Attention(DIM, HEADS, DIM, dropout=0.1)
        self.norm2 = nn.LayerNorm(DIM, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(DIM, 2 * DIM),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(2 * DIM, DIM),
            nn.GELU(),
            nn.Dropout(0.1),
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, DIM, PATCH, stride=PATCH)
        self.cls_token = nn.Parameter(torch.empty(1, 1, DIM))
        self.position = nn.Parameter(torch.empty(1, PATCHES + 1, DIM))
        self.blocks = nn.Sequential(Block(), Block())
        self.norm = nn.LayerNorm(DIM, eps=1e-6)
        self.hidden = nn.Linear(DIM, 12)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(12, 5)
        glorot_(self)
        nn.init.trunc_normal_(self.cls_token, std=0.02, a=-0.04, b=0.04)
        nn.init.normal_(self.position, std=0.02)

    def forward(self, images):
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.position
        x = self.norm(self.blocks(x))[:, 0]
        return self.head(self.dropout(torch.tanh(self.hidden(x))))


def build():
    net = ViT()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=KerasAdam(net.parameters(), lr=1e-3, weight_decay=1e-2),
    )
