"""Squeeze and excitation: a gate for each channel.

The faulty twin multiplies with gate.detach(): the two Linear layers of the gate do not learn.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers, regularizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

L2 = 1e-3


def keras_model():
    def conv(filters, stride=1):
        return layers.Conv2D(
            filters, 3, strides=stride, activation="swish", kernel_regularizer=regularizers.L2(L2)
        )

    def squeeze_excite(x, ratio=4):
        channels = x.shape[-1]
        s = layers.GlobalAveragePooling2D()(x)
        s = layers.Dense(channels // ratio, activation="relu")(s)
        s = layers.Dense(channels, activation="sigmoid")(s)
        s = layers.Reshape((1, 1, channels))(s)
        return layers.Multiply()([x, s])

    inputs = keras.Input((17, 21, 3))
    x = squeeze_excite(conv(12, 2)(inputs))
    x = squeeze_excite(conv(20)(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile(optimizers.SGD(0.05), "mean_squared_error")
    return model


def _port(detach):
    class SELayer(nn.Module):
        def __init__(self, channel, reduction=4):
            super().__init__()
            self.avg_pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Sequential(
                nn.Linear(channel, channel // reduction),
                nn.ReLU(inplace=True),
                nn.Linear(channel // reduction, channel),
                nn.Sigmoid(),
            )

        def forward(self, x):
            b, c, _, _ = x.size()
            y = self.avg_pool(x).view(b, c)
            y = self.fc(y).view(b, c, 1, 1)
            if detach:
                y = y.detach()
            return x * y.expand_as(x)

    class SENet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 12, 3, stride=2)
            self.se1 = SELayer(12)
            self.conv2 = nn.Conv2d(12, 20, 3)
            self.se2 = SELayer(20)
            self.head = nn.Linear(20, 3)

        def forward(self, x):
            x = self.se1(F.silu(self.conv1(x)))
            x = self.se2(F.silu(self.conv2(x)))
            return self.head(x.mean((2, 3)))

    net = keras_init(SENet())

    def loss(out, y):
        penalty = sum(conv.weight.square().sum() for conv in (net.conv1, net.conv2))
        return F.mse_loss(out, y) + L2 * penalty

    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.05))


def right_port():
    return _port(detach=False)


def faulty_port():
    return _port(detach=True)
