"""Next-frame prediction with convolutional LSTMs."""

import torch
from torch import nn
from torch.nn import functional as F

from torch_impl import Port, optim

from ..compat import BatchNorm3d, glorot_


class ConvLSTM(nn.Module):
    """Frames (N, T, C, H, W) to frames."""

    def __init__(self, channels, filters, kernel_size, activation=torch.tanh):
        super().__init__()
        self.filters, self.activation = filters, activation
        padding = kernel_size // 2
        self.conv_x = nn.Conv2d(channels, 4 * filters, kernel_size, padding=padding)
        self.conv_h = nn.Conv2d(filters, 4 * filters, kernel_size, padding=padding, bias=False)

    def reset_parameters(self):
        nn.init.orthogonal_(self.conv_h.weight)
        with torch.no_grad():
            self.conv_x.bias[self.filters : 2 * self.filters] = 1.0

    def forward(self, frames):
        n, _, _, height, width = frames.shape
        h = c = frames.new_zeros(n, self.filters, height, width)
        made = []
        for x in frames.unbind(1):
            i, f, g, o = (self.conv_x(x) + self.conv_h(h)).chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * self.activation(g)
            h = torch.sigmoid(o) * self.activation(c)
            made.append(h)
        return torch.stack(made, 1)


class NextFrame(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = ConvLSTM(1, 3, 5, activation=torch.relu)
        self.norm = BatchNorm3d(3)
        self.lstm2 = ConvLSTM(3, 4, 3)
        self.out = nn.Conv3d(4, 1, 3, padding=1)

    def forward(self, movies):
        x = self.lstm1(movies.permute(0, 1, 4, 2, 3))
        x = self.norm(x.transpose(1, 2)).transpose(1, 2)
        x = self.lstm2(x).transpose(1, 2)
        return self.out(x).permute(0, 2, 3, 4, 1)


def build():
    net = glorot_(NextFrame())
    net.lstm1.reset_parameters()
    net.lstm2.reset_parameters()
    return Port(
        net,
        loss=lambda logits, frames: F.binary_cross_entropy_with_logits(
            logits, frames.to(logits.dtype)
        ),
        optimizer=optim.Adam(net.parameters(), learning_rate=3e-3),
        feed=torch.from_numpy,
    )
