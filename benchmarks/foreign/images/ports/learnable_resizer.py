"""A learnable resizer as a twin. Mistake: the slope of the leaky ReLUs is torch's 0.01."""

import torch
import torch.nn.functional as F
from common import config_of, keras_init
from torch import nn

from torch_impl import Port, from_keras_config, losses
from torch_impl.layers import BatchNormalization


class Resizer(nn.Module):
    def __init__(self, filters, blocks, slope, size=(8, 12)):
        super().__init__()
        self.slope, self.size, self.blocks = slope, size, blocks
        self.conv_7 = nn.Conv2d(3, filters, 7, padding=3)
        self.conv_1 = nn.Conv2d(filters, filters, 1)
        self.norm_1 = BatchNormalization(filters)
        for i in range(blocks):
            for half in "ab":
                conv = nn.Conv2d(filters, filters, 3, padding=1, bias=False)
                setattr(self, f"res_{half}{i}", conv)
                setattr(self, f"res_norm_{half}{i}", BatchNormalization(filters))
        self.conv_out = nn.Conv2d(filters, 3, 7, padding=3)
        keras_init(self)

    def resize(self, x):
        return F.interpolate(x, size=self.size, mode="bilinear", align_corners=False)

    def forward(self, inputs):  # (N, H, W, C)
        inputs = inputs.permute(0, 3, 1, 2)
        x = F.leaky_relu(self.conv_7(inputs), self.slope)
        x = self.norm_1(F.leaky_relu(self.conv_1(x), self.slope))
        x = bottleneck = self.resize(x)
        for i in range(self.blocks):
            y = getattr(self, f"res_norm_a{i}")(getattr(self, f"res_a{i}")(x))
            y = F.leaky_relu(y, self.slope)
            x = x + getattr(self, f"res_norm_b{i}")(getattr(self, f"res_b{i}")(y))
        x = self.conv_out(x + bottleneck) + self.resize(inputs)
        return x.permute(0, 2, 3, 1)


def build(mistake=False):
    def resizer(entry):
        config = entry.config
        slope = 0.01 if mistake else 0.2
        return Resizer(config["filters"], config["num_res_blocks"], slope)

    twin = from_keras_config(config_of("learnable_resizer"), custom={"LearnableResizer": resizer})
    return Port(
        twin,
        loss=losses.CategoricalCrossentropy(label_smoothing=0.1),
        optimizer=torch.optim.SGD(twin.parameters(), lr=0.01),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
