"""Two bidirectional LSTMs in one nn.LSTM; the last states of both directions go on.

The mistake: the output of the last step is taken, where the backward direction has read one token.
"""

import torch
from blocks_by_hand import keras_init
from torch import nn

from torch_impl import Port, optim


class Sentiment(nn.Module):
    def __init__(self, last_step=False):
        super().__init__()
        self.last_step = last_step
        self.embed = nn.Embedding(50, 12)
        self.lstm = nn.LSTM(12, 6, num_layers=2, batch_first=True, bidirectional=True)
        self.head = nn.Linear(12, 1)

    def forward(self, tokens):
        steps, (h, _) = self.lstm(self.embed(tokens.long()))
        x = steps[:, -1] if self.last_step else torch.cat([h[-2], h[-1]], dim=-1)
        return self.head(x)


def port(net):
    keras_init(net)
    return Port(
        net,
        loss=nn.BCEWithLogitsLoss(),
        optimizer=optim.Adam(net.parameters()),
        target=lambda y: torch.as_tensor(y).to(next(net.parameters()).dtype).reshape(-1, 1),
    )


def right():
    return port(Sentiment())


def wrong():
    return port(Sentiment(last_step=True))
