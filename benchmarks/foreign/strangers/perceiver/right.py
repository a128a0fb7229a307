"""Perceiver-like: learned latents look at a sequence with gaps, and one transformer is applied twice."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdam, clip_by_norm_, glorot_

LENGTH, FEATURES, LATENTS, DIM, HEADS, CLASSES = 7, 5, 4, 12, 2, 3


class CrossAttention(nn.Module):
    def __init__(self, dim, features, heads, head_dim):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, heads * head_dim)
        self.key = nn.Linear(features, heads * head_dim)
        self.value = nn.Linear(features, heads * head_dim)
        self.out = nn.Linear(heads * head_dim, dim)

    def split(self, x):
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, latents, inputs, present):
        q, k, v = (
            self.split(self.query(latents)),
            self.split(self.key(inputs)),
            self.split(self.value(inputs)),
        )
        scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5
        mask = present[:, None, None, :]
        # Finite, so that a sequence without any value sees all of them alike, as in Keras.
        weights = scores.masked_fill(~mask, torch.finfo(scores.dtype).min).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).flatten(2))


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(dim, dim) for _ in range(3))
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = (
            layer(x).view(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class FeedForward(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, 2 * dim)
        self.down = nn.Linear(2 * dim, dim)

    def forward(self, x):
        return x + self.down(F.silu(self.up(self.norm(x))))


class LatentTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(DIM)
        self.attention = SelfAttention(DIM, HEADS)
        self.ffn = FeedForward(DIM)

    def forward(self, x):
        return self.ffn(x + self.attention(self.norm(x)))


class Perceiver(nn.Module):
    def __init__(self):
        super().__init__()
        self.latents = nn.Parameter(torch.empty(LATENTS, DIM))
        self.input_norm = nn.LayerNorm(FEATURES)
        self.latent_norm = nn.LayerNorm(DIM)
        self.cross_attention = CrossAttention(DIM, FEATURES, HEADS, 8)
        self.cross_ffn = FeedForward(DIM)
        self.transformer = LatentTransformer()
        self.final_norm = nn.LayerNorm(DIM)
        self.classes = nn.Linear(DIM, CLASSES)
        glorot_(self)
        nn.init.normal_(self.latents, std=0.5)

    def forward(self, sequence, present):
        latents = self.latents.expand(len(sequence), -1, -1)
        x = latents + self.cross_attention(
            self.latent_norm(latents), self.input_norm(sequence), present
        )
        x = self.cross_ffn(x)
        for _ in range(2):
            x = self.transformer(x)
        return self.classes(self.final_norm(x).mean(1))


def build():
    net = Perceiver()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(label_smoothing=0.1),
        optimizer=KerasAdam(net.parameters(), lr=2e-3, weight_decay=1e-3),
        before_step=lambda net: clip_by_norm_(net.parameters(), 0.2),
    )
