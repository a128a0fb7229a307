"""The finding from image and features in PyTorch; the output is a logit."""

import torch
from torch import nn

from torch_impl import Port
from torch_impl.metrics import AUC, BinaryAccuracy
from torch_impl.optim import Nadam
from torch_impl.schedule import ReduceLROnPlateau

POSITIVE_WEIGHT = 2.5  # that of the other class is 1


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(1, 6, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(6 * 3 * 3, 10),
            nn.ReLU(),
        )
        self.features = nn.Sequential(nn.Linear(5, 8), nn.ReLU())
        self.hidden = nn.Linear(18, 12)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(12, 1)

    def forward(self, image, features):
        h = torch.cat([self.image(image), self.features(features)], 1)
        h = self.dropout(torch.relu(self.hidden(h)))
        return self.head(h)


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def plateau(optimizer, **changes):
    settings = {"monitor": "val_auc", "mode": "max", "factor": 0.4, "patience": 2}
    return ReduceLROnPlateau(optimizer, **{**settings, "min_delta": 0.002, **changes})


def build():
    net = TwoInputs()
    initialise(net)
    optimizer = Nadam(net.parameters(), learning_rate=0.004)
    return Port(
        net,
        loss=nn.BCEWithLogitsLoss(pos_weight=torch.tensor(POSITIVE_WEIGHT)),
        validation_loss=nn.BCEWithLogitsLoss(),
        optimizer=optimizer,
        scheduler=plateau(optimizer),
        feed=lambda image, features: (
            torch.as_tensor(image).movedim(-1, 1),
            torch.as_tensor(features),
        ),
        target=lambda y: torch.as_tensor(y).reshape(-1, 1).to(torch.get_default_dtype()),
        metrics=[
            BinaryAccuracy(name="accuracy", threshold=0.0),
            AUC(name="auc", from_logits=True),
        ],
    )
