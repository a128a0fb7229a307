"""Sub-pixel CNN. Mistake: `nn.PixelShuffle`, which takes the channels in another order."""

import torch
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


class DepthToSpace(nn.Module):
    """TensorFlow's order: (row, column, channel) in the channels, not (channel, row, column)."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        n, c, h, w = x.shape
        r = self.factor
        x = x.reshape(n, r, r, c // r**2, h, w).permute(0, 3, 4, 1, 5, 2)
        return x.reshape(n, c // r**2, h * r, w * r)


def build(mistake=False):
    enlarge = nn.PixelShuffle if mistake else DepthToSpace
    net = nn.Sequential(
        nn.Conv2d(2, 12, 5, padding=2),
        nn.ReLU(),
        nn.Conv2d(12, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        enlarge(2),
        nn.Conv2d(2, 18, 3, padding=1),
        nn.ReLU(),
        enlarge(3),
    )
    for module in net:
        if isinstance(module, nn.Conv2d):
            nn.init.orthogonal_(module.weight)
            nn.init.zeros_(module.bias)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=Adam(net.parameters(), learning_rate=1e-3),
        target=lambda y: torch.from_numpy(y).permute(0, 3, 1, 2),
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
