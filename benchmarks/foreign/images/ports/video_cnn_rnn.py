"""CNN-RNN for videos. Mistake: the head reads the last frame's state, padded or not."""

import torch
from common import keras_init
from torch import nn

from torch_impl import Port
from torch_impl.optim import Adam


class VideoNet(nn.Module):
    def __init__(self, ignore_mask=False, classes=4):
        super().__init__()
        self.ignore_mask = ignore_mask
        self.cnn = nn.Sequential(
            nn.Conv2d(3, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU()
        )
        self.cell1, self.cell2 = nn.GRUCell(8, 8), nn.GRUCell(8, 6)
        self.drop = nn.Dropout(0.4)
        self.fc = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, classes))

    def forward(self, frames, mask):  # (N, T, H, W, C), (N, T)
        n, steps = frames.shape[:2]
        images = frames.flatten(0, 1).permute(0, 3, 1, 2) / 127.5 - 1
        features = self.cnn(images).mean((2, 3)).view(n, steps, -1)
        h1, h2 = features.new_zeros(n, 8), features.new_zeros(n, 6)
        for t in range(steps):
            # Keras keeps the state where a frame is padding, in both layers
            valid = mask[:, t, None].bool()
            if self.ignore_mask:
                valid = torch.ones_like(valid)
            h1 = torch.where(valid, self.cell1(features[:, t], h1), h1)
            h2 = torch.where(valid, self.cell2(h1, h2), h2)
        return self.fc(self.drop(h2))


def initialise(net):
    keras_init(net)
    for cell in (net.cell1, net.cell2):
        for weight in cell.weight_ih.chunk(3):
            limit = (6 / (cell.input_size + 3 * cell.hidden_size)) ** 0.5
            nn.init.uniform_(weight, -limit, limit)
        square = torch.empty(cell.hidden_size, 3 * cell.hidden_size)
        cell.weight_hh.data.copy_(nn.init.orthogonal_(square).T)
        nn.init.zeros_(cell.bias_ih)
        nn.init.zeros_(cell.bias_hh)


def build(mistake=False):
    net = VideoNet(ignore_mask=mistake)
    initialise(net)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=Adam(net.parameters()),
        feed=lambda frames, mask: (torch.from_numpy(frames), torch.from_numpy(mask)),
        metrics=["accuracy"],
    )


def right():
    return build()


def wrong():
    return build(mistake=True)
