"""Involution as a twin. Mistake: `F.unfold` has channels first, and is read as channels last."""

import torch.nn.functional as F
from common import config_of, keras_init
from torch import nn

from torch_impl import Port, from_keras_config
from torch_impl.layers import BatchNormalization
from torch_impl.optim import Adam


class KernelGen(nn.Module):
    def __init__(self, channels, reduced, outputs):
        super().__init__()
        self.reduce = nn.Conv2d(channels, reduced, 1)
        self.norm = BatchNormalization(reduced)
        self.span = nn.Conv2d(reduced, outputs, 1)

    def forward(self, x):
        return self.span(F.relu(self.norm(self.reduce(x))))


class Involution(nn.Module):
    def __init__(self, channels, groups, kernel, reduction, unordered):
        super().__init__()
        self.groups, self.kernel, self.unordered = groups, kernel, unordered
        self.kernel_gen = KernelGen(channels, channels // reduction, kernel**2 * groups)
        keras_init(self)

    def forward(self, x):  # (N, H, W, C)
        x = x.permute(0, 3, 1, 2)
        n, c, h, w = x.shape
        k2 = self.kernel**2
        weights = self.kernel_gen(x).reshape(n, k2, 1, self.groups, h, w)
        windows = F.unfold(x, self.kernel, padding=self.kernel // 2)  # (N, C * k2, H * W)
        if self.unordered:
            windows = windows.reshape(n, k2, c // self.groups, self.groups, h, w)
        else:
            windows = windows.reshape(n, c // self.groups, self.groups, k2, h, w)
            windows = windows.permute(0, 3, 1, 2, 4, 5)
        out = (weights * windows).sum(dim=1).reshape(n, c, h, w)
        return out.permute(0, 2, 3, 1)


def build(mistake=False):
    def involution(entry):
        config = entry.config
        return Involution(
            config["channel"],
            config["group_number"],
            config["kernel_size"],
            config["reduction_ratio"],
            unordered=mistake,
        )

    twin = from_keras_config(config_of("involution"), custom={"Involution": involution})
    return Port(
        twin,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(twin.parameters()),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
