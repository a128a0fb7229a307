"""A transformer whose feed-forward part is one expert of three for each token.

The mistake: the loss that keeps the experts equally busy is left out of the training.
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import Attention, keras_init
from torch import nn

from torch_impl import Port, optim


class Experts(nn.Module):
    def __init__(self, dim, hidden, experts, capacity):
        super().__init__()
        self.capacity = capacity
        self.gate = nn.Linear(dim, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, dim))
            for _ in range(experts)
        )

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        probs = self.gate(tokens).softmax(-1)
        best, index = probs.max(-1, keepdim=True)
        chosen = F.one_hot(index.squeeze(-1), len(self.experts)).to(x.dtype)
        self.balance = 0.01 * (probs.mean(0) * chosen.mean(0)).mean() * len(self.experts) ** 2
        place = chosen.cumsum(0) * chosen
        chosen = chosen * (place - 1 < self.capacity).to(x.dtype)
        out = torch.zeros_like(tokens)
        for i, expert in enumerate(self.experts):
            sent = chosen[:, i : i + 1]
            out = out + best * sent * expert(tokens * sent)
        return out.reshape(x.shape)


class SwitchClassifier(nn.Module):
    def __init__(self, tokens=6, dim=8):
        super().__init__()
        self.token = nn.Embedding(40, dim)
        self.position = nn.Embedding(tokens, dim)
        self.attention = Attention(dim, 2, dim)
        self.norm_a = nn.LayerNorm(dim, eps=1e-6)
        self.norm_b = nn.LayerNorm(dim, eps=1e-6)
        self.moe = Experts(dim, 10, 3, 4 * tokens // 3)
        self.drop_a, self.drop_b = nn.Dropout(0.1), nn.Dropout(0.1)
        self.head = nn.Sequential(
            nn.Dropout(0.25), nn.Linear(dim, 10), nn.ReLU(), nn.Dropout(0.25), nn.Linear(10, 2)
        )

    def forward(self, ids):
        x = self.token(ids.long()) + self.position.weight[: ids.shape[1]]
        x = self.norm_a(x + self.drop_a(self.attention(x, x)))
        x = self.norm_b(x + self.drop_b(self.moe(x)))
        return self.head(x.mean(1))


def port(**others):
    net = keras_init(SwitchClassifier())
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        metrics=["accuracy"],
        **others,
    )


def right():
    return port(added_loss=lambda net: net.moe.balance)


def wrong():
    return port()
