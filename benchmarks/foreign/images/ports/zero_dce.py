"""Zero-DCE. Mistake: the smoothness of the curves has the weight 20 instead of 200."""

import torch
import torch.nn.functional as F
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


class DCENet(nn.Module):
    def __init__(self, width=6, iterations=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.conv4 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.conv5 = nn.Conv2d(2 * width, 3 * iterations, 3, padding=1)

    def forward(self, image):
        x1 = F.relu(self.conv1(image))
        x2 = F.relu(self.conv2(x1))
        x3 = F.relu(self.conv3(x2))
        x4 = F.relu(self.conv4(torch.cat([x3, x2], 1)))
        curves = torch.tanh(self.conv5(torch.cat([x4, x1], 1)))
        for curve in curves.split(3, dim=1):
            image = image + curve * (image**2 - image)
        return torch.cat([image, curves], 1)


def color(image):
    r, g, b = image.mean(dim=(2, 3)).unbind(1)
    return ((r - g) ** 4 + (r - b) ** 4 + (b - g) ** 4).sqrt().mean()


def exposure(image, level=0.6):
    return (F.avg_pool2d(image.mean(1, keepdim=True), 4) - level).square().mean()


def smoothness(curves):
    """The Keras program counts with the axes of (N, H, W, C) shifted by one; so does this."""
    n, c, _, w = curves.shape
    rows = (curves[:, :, 1:] - curves[:, :, :-1]).square().sum()
    columns = (curves[..., 1:] - curves[..., :-1]).square().sum()
    return 2 * (rows / ((w - 1) * c) + columns / (w * (c - 1))) / n


def build(mistake=False):
    net = keras_init(DCENet())

    def loss(output, target=None):
        image, curves = output[:, :3], output[:, 3:]
        weight = 20 if mistake else 200
        return weight * smoothness(curves) + 5 * color(image) + 10 * exposure(image)

    return Port(net, loss=loss, optimizer=Adam(net.parameters(), learning_rate=1e-4))


def right():
    return build()


def wrong():
    return build(mistake=True)
