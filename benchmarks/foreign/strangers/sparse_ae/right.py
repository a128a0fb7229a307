"""A sparse autoencoder that classifies as well."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import ReduceLROnPlateau

from torch_impl import Port

from ..compat import KerasAdam, glorot_

RHO, BETA, L1 = 0.1, 0.05, 1e-2


class SparseAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(14, 18)
        self.code = nn.Linear(18, 8)
        self.decoder = nn.Linear(8, 14)
        self.classifier = nn.Linear(8, 3)
        self.sparsity = None

    def forward(self, x):
        hidden = F.relu(self.hidden(x))
        code = torch.sigmoid(self.code(hidden))
        mean = code.mean(0)
        kl = RHO * torch.log(RHO / mean) + (1 - RHO) * torch.log((1 - RHO) / (1 - mean))
        self.sparsity = BETA * kl.sum() + L1 * hidden.abs().sum() / len(x)
        noisy = code + 0.1 * torch.randn_like(code) if self.training else code
        return self.decoder(noisy), self.classifier(code)


def loss(outputs, targets):
    (reconstruction, logits), (x, labels) = outputs, targets
    return F.mse_loss(reconstruction, x) + 0.2 * F.cross_entropy(logits, labels.long().flatten())


def build():
    net = glorot_(SparseAutoencoder())
    optimizer = KerasAdam(net.parameters(), lr=1e-3)
    return Port(
        net,
        loss=loss,
        added_loss=lambda net: net.sparsity,
        optimizer=optimizer,
        # torch cuts when more than `patience` epochs were bad, Keras when as many were.
        scheduler=ReduceLROnPlateau(
            optimizer,
            factor=0.3,
            patience=2,
            threshold=1e-4,
            threshold_mode="abs",
            min_lr=2e-5,
            eps=0,
        ),
    )
