"""PointNet. Mistake: the penalty that keeps the feature transform orthogonal is forgotten.

Keras's regulariser multiplies the matrices of all clouds of a batch with each other (its
`tensordot` leaves two batch axes), and Keras divides the penalty of an activity by the batch size.
"""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization
from torch_impl.optim import Adam


def shared(cin, cout):
    return nn.Sequential(nn.Conv1d(cin, cout, 1), BatchNormalization(cout, momentum=0.0), nn.ReLU())


def dense(cin, cout):
    return nn.Sequential(nn.Linear(cin, cout), BatchNormalization(cout, momentum=0.0), nn.ReLU())


class TNet(nn.Module):
    def __init__(self, k):
        super().__init__()
        self.k = k
        self.points = nn.Sequential(shared(k, 6), shared(6, 10))
        self.hidden = dense(10, 8)
        self.matrix = nn.Linear(8, k * k)

    def forward(self, x):  # (N, k, points)
        m = self.matrix(self.hidden(self.points(x).amax(dim=2))).view(-1, self.k, self.k)
        self.transform = m
        return torch.bmm(m.transpose(1, 2), x)

    def penalty(self):
        m = self.transform
        products = torch.tensordot(m, m, dims=([2], [2])).reshape(-1, self.k, self.k)
        eye = torch.eye(self.k, dtype=m.dtype, device=m.device)
        return 0.001 * (products - eye).square().sum() / len(m)


class PointNet(nn.Module):
    def __init__(self, classes=5):
        super().__init__()
        self.input_transform = TNet(3)
        self.conv1 = shared(3, 4)
        self.feature_transform = TNet(4)
        self.conv2, self.conv3 = shared(4, 6), shared(6, 12)
        self.fc = dense(12, 8)
        self.head = nn.Linear(8, classes)

    def forward(self, points):  # (N, points, 3)
        x = self.input_transform(points.transpose(1, 2))
        x = self.feature_transform(self.conv1(x))
        x = self.conv3(self.conv2(x)).max(dim=2).values
        x = F.dropout(self.fc(x), 0.3, self.training)
        return self.head(x)


def build(mistake=False):
    net = keras_init(PointNet())
    for part in (net.input_transform, net.feature_transform):
        nn.init.zeros_(part.matrix.weight)
        part.matrix.bias.data.copy_(torch.eye(part.k).flatten())

    def penalty(net):
        total = net.input_transform.penalty()
        return total if mistake else total + net.feature_transform.penalty()

    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.flatten().long()),
        added_loss=penalty,
        optimizer=Adam(net.parameters()),
        feed=torch.from_numpy,
        metrics=["sparse_categorical_accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
