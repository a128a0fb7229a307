"""Sentiment of padded reviews: two bidirectional LSTMs on packed sequences."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from torch_impl import Port

from ..compat import KerasRMSprop, glorot_, lstm_

MAX_FEATURES = 25


class Sentiment(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(MAX_FEATURES, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(12, 10)
        self.dropout = nn.Dropout(0.3)
        self.out = nn.Linear(10, 1)

    def forward(self, tokens):
        lengths = (tokens != 0).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            self.embedding(tokens), lengths, batch_first=True, enforce_sorted=False
        )
        _, (h, _) = self.lstm(packed)
        x = torch.cat([h[-2], h[-1]], dim=1)
        return self.out(self.dropout(torch.relu(self.fc(x))))


class Loss(nn.Module):
    def forward(self, logits, targets):
        return nn.functional.binary_cross_entropy_with_logits(
            logits, targets.to(logits.dtype).view_as(logits)
        )


def build():
    net = glorot_(Sentiment())
    lstm_(net.lstm)
    trained = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=Loss(), optimizer=KerasRMSprop(trained, lr=2e-3))
