"""Two towers for retrieval and rating, with an in-batch softmax."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import KerasAdagrad, glorot_

USERS, ITEMS, DIM, TEMPERATURE = 40, 50, 8, 0.2


class TwoTowers(nn.Module):
    def __init__(self):
        super().__init__()
        self.users = nn.Embedding(USERS, DIM)
        self.user_hidden = nn.Linear(DIM + 1, 16)
        self.user_vector = nn.Linear(16, DIM)
        self.items = nn.Embedding(ITEMS, DIM)
        self.item_vector = nn.Linear(DIM, DIM)
        self.rating = nn.Linear(1 + DIM, 1)
        self.retrieval_loss = None

    def forward(self, user_id, user_age, item_id):
        user = torch.cat([self.users(user_id), user_age], dim=1)
        user = F.normalize(self.user_vector(F.relu(self.user_hidden(user))), dim=1)
        item = F.normalize(F.relu(self.item_vector(self.items(item_id))), dim=1)
        scores = user @ item.T / TEMPERATURE
        self.retrieval_loss = F.cross_entropy(
            scores, torch.arange(len(scores), device=scores.device)
        )
        cosine = (user * item).sum(1, keepdim=True)
        return self.rating(torch.cat([cosine, user * item], dim=1))


def build():
    net = glorot_(TwoTowers())
    return Port(
        net,
        loss=nn.L1Loss(),
        added_loss=lambda net: 0.5 * net.retrieval_loss,
        optimizer=KerasAdagrad(net.parameters(), lr=0.05),
    )
