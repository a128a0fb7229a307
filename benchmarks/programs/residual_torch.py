"""The residual network in PyTorch."""

from torch import nn

from torch_impl import Port
from torch_impl.layers import BatchNormalization, Conv2D
from torch_impl.optim import SGD
from torch_impl.penalty import RegularizedLoss, kernel_l2
from torch_impl.schedule import ReduceLROnPlateau

L2 = 5e-4


def conv(in_channels, filters, size=3, stride=1):
    return Conv2D(in_channels, filters, size, strides=stride, padding="same", use_bias=False)


def norm(filters):
    return BatchNormalization(filters, momentum=0.9)


class ResidualBlock(nn.Module):
    def __init__(self, in_channels, filters, stride):
        super().__init__()
        self.conv1 = conv(in_channels, filters, stride=stride)
        self.bn1 = norm(filters)
        self.conv2 = conv(filters, filters)
        self.bn2 = norm(filters)
        self.shortcut = None
        if stride != 1 or in_channels != filters:
            self.shortcut = nn.Sequential(
                conv(in_channels, filters, size=1, stride=stride), norm(filters)
            )
        self.relu = nn.ReLU()

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return self.relu(out + shortcut)


class ResidualNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(conv(2, 6), norm(6), nn.ReLU())
        self.block1 = ResidualBlock(6, 6, stride=1)
        self.spatial_dropout = nn.Dropout2d(0.15)
        self.block2 = ResidualBlock(6, 10, stride=2)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(10, 4)

    def forward(self, x):
        x = self.block1(self.stem(x))
        x = self.block2(self.spatial_dropout(x))
        return self.head(self.dropout(x.mean((2, 3))))


def initialise(net):
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):  # he_normal is truncated at two deviations
            fan_in = layer.weight[0].numel()
            std = (2.0 / fan_in) ** 0.5 / 0.87962566103423978
            nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
        elif isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)


def build():
    net = ResidualNet()
    initialise(net)
    optimizer = SGD(net.parameters(), learning_rate=0.05, momentum=0.9, nesterov=True, clipnorm=1.0)
    return Port(
        net,
        loss=RegularizedLoss(nn.CrossEntropyLoss(), kernel_l2(net, L2)),
        optimizer=optimizer,
        scheduler=ReduceLROnPlateau(optimizer, factor=0.5, patience=2, min_delta=1e-3, min_lr=1e-4),
        metrics=["accuracy"],
    )
