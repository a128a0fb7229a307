"""A tagger of words; steps with the tag 0 do not count in the loss.

The mistake: the mean of the loss is over all steps, the padding included.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import Attention, keras_init
from torch import nn

from torch_impl import Port, optim


class Block(nn.Module):
    def __init__(self, dim, heads, hidden):
        super().__init__()
        self.attention = Attention(dim, heads, dim)
        self.mlp = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
        self.norms = nn.ModuleList(nn.LayerNorm(dim, eps=1e-6) for _ in range(2))
        self.drops = nn.ModuleList(nn.Dropout(0.1) for _ in range(2))

    def forward(self, x):
        x = self.norms[0](x + self.drops[0](self.attention(x, x)))
        return self.norms[1](x + self.drops[1](self.mlp(x)))


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(35, 10)
        self.places = nn.Embedding(8, 10)
        self.block = Block(10, 2, 12)
        self.head = nn.Sequential(
            nn.Dropout(0.1), nn.Linear(10, 12), nn.ReLU(), nn.Dropout(0.1), nn.Linear(12, 5)
        )

    def forward(self, tokens):
        x = self.words(tokens.long()) + self.places(torch.arange(tokens.shape[1]))
        return self.head(self.block(x))


def over_words(logits, tags):
    return F.cross_entropy(logits.flatten(0, 1), tags.long().flatten(), ignore_index=0)


def over_all_steps(logits, tags):
    each = F.cross_entropy(logits.transpose(1, 2), tags.long(), reduction="none")
    return (each * (tags > 0)).mean()


def port(loss):
    net = keras_init(Tagger())
    return Port(net, loss=loss, optimizer=optim.Adam(net.parameters()))


def right():
    return port(over_words)


def wrong():
    return port(over_all_steps)
