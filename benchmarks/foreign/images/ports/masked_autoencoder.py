"""A masked autoencoder. Mistake: the decoder gets the masked tokens first, then the encoded."""

import numpy as np
import torch
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import AdamW
from torch_impl.schedule import CosineDecay


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.ModuleList(nn.Linear(dim, dim * heads) for _ in range(3))
        self.out = nn.Linear(dim * heads, dim)
        self.heads = heads
        self.attn_drop = nn.Dropout(0.1)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = nn.Sequential(
            nn.Linear(dim, 2 * dim),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(2 * dim, dim),
            nn.GELU(),
            nn.Dropout(0.1),
        )

    def attend(self, x):
        n, tokens, dim = x.shape
        q, k, v = (p(x).view(n, tokens, self.heads, dim).transpose(1, 2) for p in self.qkv)
        weights = torch.softmax(q @ k.mT * dim**-0.5, dim=-1)
        x = self.attn_drop(weights) @ v
        return self.out(x.transpose(1, 2).reshape(n, tokens, -1))

    def forward(self, x):
        x = x + self.attend(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class MAE(nn.Module):
    def __init__(self, masked_first=False, image=16, patch=4, dim=10, decoder_dim=6, masked=10):
        super().__init__()
        count = (image // patch) ** 2
        area = patch * patch * 3
        self.patch, self.image, self.masked_first = patch, image, masked_first
        order = torch.from_numpy(np.random.RandomState(7).permutation(count))
        self.register_buffer("hidden", order[:masked], persistent=False)
        self.register_buffer("seen", order[masked:], persistent=False)
        self.mask_token = nn.Parameter(torch.randn(1, area) * 0.05)
        self.embed = nn.Linear(area, dim)
        self.position = nn.Embedding(count, dim)
        self.encoder = nn.Sequential(Layer(dim, 2), nn.LayerNorm(dim, eps=1e-6))
        self.bridge = nn.Linear(dim, decoder_dim)
        self.decoder = nn.Sequential(Layer(decoder_dim, 2), nn.LayerNorm(decoder_dim, eps=1e-6))
        self.pixels = nn.Linear(count * decoder_dim, image * image * 3)

    def forward(self, images):
        n = len(images)
        p, side = self.patch, self.image // self.patch
        x = (
            images.reshape(n, 3, side, p, side, p)
            .permute(0, 2, 4, 3, 5, 1)
            .reshape(n, -1, p * p * 3)
        )
        x = self.embed(x[:, self.seen]) + self.position(self.seen)
        x = self.encoder(x) + self.position(self.seen)
        tokens = self.embed(self.mask_token) + self.position(self.hidden)
        tokens = tokens.expand(n, -1, -1)
        x = torch.cat([tokens, x] if self.masked_first else [x, tokens], dim=1)
        x = self.decoder(self.bridge(x)).flatten(1)
        x = torch.sigmoid(self.pixels(x))
        return x.view(n, self.image, self.image, 3)


def build(mistake=False):
    net = keras_init(MAE(masked_first=mistake))
    nn.init.uniform_(net.position.weight, -0.05, 0.05)
    rate = CosineDecay(0.0, 20, warmup_target=5e-3, warmup_steps=4)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=AdamW(net.parameters(), learning_rate=rate, weight_decay=1e-4),
        metrics=["mae"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
