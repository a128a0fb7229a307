"""BigTransfer as a twin. Mistake: the variance of the weights is torch's unbiased one."""

import torch
import torch.nn.functional as F
from common import config_of
from torch import nn

from torch_impl import Port, from_keras_config, losses
from torch_impl.optim import SGD
from torch_impl.schedule import PiecewiseConstantDecay


class StdConv2d(nn.Module):
    """`kernel` has Keras's layout, (rows, columns, C in, C out), as the twin carries it."""

    def __init__(self, channels, config, unbiased):
        super().__init__()
        self.stride = config["strides"][0]
        self.same = config["padding"] == "same"
        self.unbiased = unbiased
        shape = (*config["kernel_size"], channels, config["filters"])
        self.kernel = nn.Parameter(torch.empty(shape))

    def forward(self, x):  # (N, H, W, C)
        w = self.kernel
        axes = (0, 1, 2)
        mean = w.mean(axes, keepdim=True)
        variance = w.var(axes, keepdim=True, unbiased=self.unbiased)
        w = ((w - mean) / torch.sqrt(variance + 1e-10)).permute(3, 2, 0, 1)
        x = x.permute(0, 3, 1, 2)
        if self.same:
            pads = []
            for size, kernel in zip(reversed(x.shape[2:]), reversed(w.shape[2:]), strict=True):
                total = max((-(-size // self.stride) - 1) * self.stride + kernel - size, 0)
                pads += [total // 2, total - total // 2]
            x = F.pad(x, pads)
        return F.conv2d(x, w, stride=self.stride).permute(0, 2, 3, 1)


def build(mistake=False):
    twin = from_keras_config(
        config_of("big_transfer"),
        custom={
            "StandardizedConv2D": lambda entry: StdConv2d(entry.shape[-1], entry.config, mistake)
        },
    )
    rate = PiecewiseConstantDecay([2, 4], [0.03, 0.003, 0.0003])
    return Port(
        twin,
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
        optimizer=SGD(twin.parameters(), learning_rate=rate, momentum=0.9),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
