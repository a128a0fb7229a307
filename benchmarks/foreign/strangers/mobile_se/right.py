"""A small mobile network: depthwise separable convolutions, squeeze and excite, hard swish."""

from torch import nn
from torch.nn import functional as F

from torch_impl import Port

from ..compat import BatchNorm2d, KerasRMSprop, clip_by_norm_, glorot_

CLASSES = 4


def norm(channels):
    return BatchNorm2d(channels, momentum=0.1)


class SqueezeExcite(nn.Module):
    def __init__(self, channels, ratio=4):
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // ratio, 1)
        self.excite = nn.Conv2d(channels // ratio, channels, 1)

    def forward(self, x):
        s = F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))
        return x * F.hardsigmoid(self.excite(s))


class InvertedResidual(nn.Module):
    def __init__(self, channels, expansion):
        super().__init__()
        width = channels * expansion
        self.layers = nn.Sequential(
            nn.Conv2d(channels, width, 1, bias=False),
            norm(width),
            nn.Hardswish(),
            nn.Conv2d(width, width, 5, padding=2, groups=width, bias=False),
            norm(width),
            nn.Hardswish(),
            SqueezeExcite(width),
            nn.Conv2d(width, channels, 1, bias=False),
            norm(channels),
        )

    def forward(self, x):
        return x + self.layers(x)


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2, padding=1, bias=False),  # of 15: one row on both sides
            norm(6),
            nn.Hardswish(),
        )
        self.block = InvertedResidual(6, 2)
        self.dropout = nn.Dropout2d(0.2)
        self.depthwise = nn.Conv2d(6, 6, 3, stride=2, groups=6, bias=False)
        self.pointwise = nn.Conv2d(6, 10, 1)
        self.hidden = nn.Linear(10, 8)
        self.out = nn.Linear(8, CLASSES)

    def forward(self, x):
        x = self.dropout(self.block(self.stem(x)))
        x = F.relu6(self.pointwise(self.depthwise(F.pad(x, (0, 1, 0, 1)))))  # of 8: one row behind
        x = F.leaky_relu(self.hidden(x.mean((2, 3))), 0.3)
        return self.out(x)


def build():
    net = glorot_(MobileNet())
    return Port(
        net,
        loss=nn.CrossEntropyLoss(label_smoothing=0.1),
        optimizer=KerasRMSprop(net.parameters(), lr=1e-3, rho=0.9, momentum=0.9),
        before_step=lambda net: clip_by_norm_(net.parameters(), 1.0),
    )
