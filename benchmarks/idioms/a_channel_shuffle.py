"""The channels are shuffled by a view of five dimensions, as in ShuffleNet.

The faulty twin views the channels as (C / groups, groups), not as (groups, C / groups).
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import Port, cross_entropy, nn, optim, torch


def keras_model():
    """Pointwise, shuffle, depthwise, pointwise."""

    def shuffle(x, groups):
        _, h, w, c = x.shape
        x = layers.Reshape((h, w, groups, c // groups))(x)
        x = layers.Permute((1, 2, 4, 3))(x)
        return layers.Reshape((h, w, c))(x)

    inputs = keras.Input((10, 9, 3))
    x = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    a = layers.Conv2D(9, 1, activation="relu")(x)
    b = layers.Conv2D(9, 1, activation="relu")(x)
    x = shuffle(layers.Concatenate()([a, b]), 3)
    x = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer="he_uniform")(x)
    x = layers.Conv2D(8, 1, activation="relu")(x)
    x = layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, layers.Dense(4)(x))
    model.compile(
        keras.optimizers.Adamax(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def right_channel_shuffle(x, groups):
    """Returns x with its channels shuffled."""
    n, c, h, w = x.size()
    x = x.view(n, groups, c // groups, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(n, c, h, w)


def faulty_channel_shuffle(x, groups):
    """Returns x with its channels shuffled, in the inverse order."""
    n, c, h, w = x.size()
    x = x.view(n, c // groups, groups, h, w)
    return torch.transpose(x, 1, 2).contiguous().view(n, c, h, w)


def _port(channel_shuffle):
    class ShuffleUnit(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 12, 3, 1, 1), nn.ReLU(inplace=True))
            self.left = nn.Sequential(nn.Conv2d(12, 9, 1), nn.ReLU(inplace=True))
            self.right = nn.Sequential(nn.Conv2d(12, 9, 1), nn.ReLU(inplace=True))
            self.depthwise = nn.Conv2d(18, 18, 3, 1, 1, groups=18)
            self.pointwise = nn.Sequential(nn.Conv2d(18, 8, 1), nn.ReLU(inplace=True))
            self.fc = nn.Linear(8, 4)
            for m in self.modules():
                if isinstance(m, nn.Conv2d | nn.Linear):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)
            # he_uniform, where Keras counts 9 * 18 inputs
            bound = (6 / (9 * 18)) ** 0.5
            nn.init.uniform_(self.depthwise.weight, -bound, bound)

        def forward(self, x):
            x = self.stem(x)
            x = torch.cat((self.left(x), self.right(x)), dim=1)
            x = channel_shuffle(x, 3)
            x = self.pointwise(self.depthwise(x))
            return self.fc(torch.amax(x, dim=(-2, -1)))

    net = ShuffleUnit()
    optimizer = optim.Adamax(net.parameters(), learning_rate=2e-3)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


def right_port():
    """Groups come first."""
    return _port(right_channel_shuffle)


def faulty_port():
    """Groups come last."""
    return _port(faulty_channel_shuffle)
