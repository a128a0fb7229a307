"""A small GPT of nn.TransformerEncoderLayer, which may not look ahead.

The mistake: the mask forbids the diagonal as well, so that no step sees itself. The first step
would see nothing, and sees itself.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class GPT(nn.Module):
    def __init__(self, diagonal=1):
        super().__init__()
        self.diagonal = diagonal
        self.wte = nn.Embedding(45, 12)
        self.wpe = nn.Embedding(8, 12)
        self.layer = nn.TransformerEncoderLayer(
            12, nhead=3, dim_feedforward=10, dropout=0.1, layer_norm_eps=1e-6, batch_first=True
        )
        self.layer.dropout = nn.Identity()  # Keras has none between the two dense layers,
        self.layer.self_attn.dropout = 0.0  # and none of the scores
        self.lm_head = nn.Linear(12, 45)

    def forward(self, ids):
        steps = ids.shape[1]
        x = self.wte(ids.long()) + self.wpe(torch.arange(steps))
        hidden = torch.ones(steps, steps, dtype=torch.bool).triu(self.diagonal)
        hidden[0, 0] = False
        x = self.layer(x, src_mask=hidden)
        return self.lm_head(x), x


def loss(outputs, targets):
    logits, words = outputs[0], targets[0] if isinstance(targets, tuple | list) else targets
    return F.cross_entropy(logits.flatten(0, 1), words.long().flatten())


def port(net):
    keras_init(net)
    return Port(net, loss=loss, optimizer=optim.Adam(net.parameters()))


def right():
    return port(GPT())


def wrong():
    return port(GPT(diagonal=0))
