"""A BERT for masked words. Weights of 0 and 1 say which steps count.

The mistake: the loss is divided by the number of steps that count; Keras divides by all steps.
"""

import math

import torch
import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


def sinusoids(steps, dim):
    place = torch.arange(steps).double()[:, None]
    column = torch.arange(dim)
    angle = place / torch.exp(math.log(10000.0) * (2 * (column // 2)).double() / dim)
    table = torch.where(column % 2 == 0, angle.sin(), angle.cos())
    table[0] = 0.0
    return table.float()


class BERT(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(32, 8)
        # Keras's table is called before the model is made, so that it is no part of it.
        self.register_buffer("places", sinusoids(7, 8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 8))
        self.norm_1 = nn.LayerNorm(8, eps=1e-6)
        self.norm_2 = nn.LayerNorm(8, eps=1e-6)
        self.drop_1, self.drop_2 = nn.Dropout(0.1), nn.Dropout(0.1)
        self.decoder = nn.Linear(8, 32)
        keras_init(self)

    def forward(self, ids):
        x = self.words(ids.long()) + self.places
        seen, _ = self.attention(x, x, x, need_weights=False)
        x = self.norm_1(x + self.drop_1(seen))
        x = self.norm_2(x + self.drop_2(self.mlp(x)))
        return self.decoder(x)


def each(logits, words):
    return F.cross_entropy(logits.transpose(1, 2), words.long(), reduction="none")


def over_all(logits, words, sample_weight=None):
    values = each(logits, words)
    return values.mean() if sample_weight is None else (values * sample_weight).mean()


def over_masked(logits, words, sample_weight=None):
    values = each(logits, words)
    if sample_weight is None:
        return values.mean()
    return (values * sample_weight).sum() / sample_weight.sum()


def port(loss):
    net = BERT()
    return Port(net, loss=loss, optimizer=optim.Adam(net.parameters()))


def right():
    return port(over_all)


def wrong():
    return port(over_masked)
