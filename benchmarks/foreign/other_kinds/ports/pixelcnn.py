"""The twin of a PixelCNN. Like Keras's layer, the masked convolution writes its kernel back.

The mistake: the first kernel sees the pixel that it has to predict (mask B in the place of A).
"""

import torch
import torch.nn.functional as F
from blocks_by_hand import config_of, keras_init
from torch import nn

from torch_impl import Port, from_keras_config, losses, optim


class MaskedConv(nn.Module):
    def __init__(self, kind, given, made, size):
        super().__init__()
        middle = size // 2
        mask = torch.ones(size, size)
        mask[middle, middle + (kind == "B") :] = 0.0
        mask[middle + 1 :] = 0.0
        self.mask = mask
        self.conv = nn.Conv2d(given, made, size, padding=middle)

    def forward(self, x):  # (N, H, W, C)
        with torch.no_grad():
            self.conv.weight *= self.mask.to(self.conv.weight)
        return F.relu(self.conv(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 1)
        self.pixel_conv = MaskedConv("B", width, width // 2, 3)
        self.conv2 = nn.Conv2d(width // 2, width, 1)

    def forward(self, x):
        h = F.relu(self.conv1(x.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        h = self.pixel_conv(h).permute(0, 3, 1, 2)
        return x + F.relu(self.conv2(h)).permute(0, 2, 3, 1)


def port(first):
    def masked(entry):
        c = entry.config
        kind = first if c["mask_type"] == "A" else "B"
        return keras_init(MaskedConv(kind, entry.shape[-1], c["filters"], c["kernel_size"][0]))

    twin = from_keras_config(
        config_of("pixelcnn"),
        custom={
            "pixelcnn>PixelConvLayer": masked,
            "pixelcnn>ResidualBlock": lambda entry: keras_init(Residual(entry.config["filters"])),
        },
    )
    optimizer = optim.Adam(twin.parameters(), learning_rate=0.0005)
    return Port(twin, losses.BinaryCrossentropy(), optimizer)


def right():
    return port("A")


def wrong():
    return port("B")
