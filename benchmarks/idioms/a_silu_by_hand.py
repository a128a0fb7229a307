"""Swish is written as x * torch.sigmoid(x), next to a gate that is y * torch.sigmoid(s) as well.

The faulty twin squeezes with ReLU, as the paper on squeeze-and-excitation does, where the Keras
model has swish.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, optim, ports, torch


def keras_model():
    """One inverted residual block of an EfficientNet."""
    inputs = keras.Input((11, 14, 3), name="image")
    x = layers.Conv2D(10, 3, padding="same", activation="swish", name="stem")(inputs)
    y = layers.Conv2D(20, 1, activation="swish", name="expand")(x)
    y = layers.DepthwiseConv2D(3, padding="same", activation="swish", name="dw")(y)
    s = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(y)
    s = layers.Conv2D(5, 1, activation="swish", name="se_reduce")(s)
    s = layers.Conv2D(20, 1, activation="sigmoid", name="se_expand")(s)
    y = layers.Multiply(name="excite")([y, s])
    y = layers.Conv2D(10, 1, name="project")(y)
    x = layers.Add(name="residual")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(inputs, layers.Dense(6, name="head")(x))
    model.compile(optimizers.Adam(3e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(squeeze_with_relu):
    def swish(x):
        return x * torch.sigmoid(x)

    class MBConv(nn.Module):
        def __init__(self, channels, expansion, squeezed):
            super().__init__()
            hidden = channels * expansion
            self.expand = nn.Conv2d(channels, hidden, 1)
            self.dw = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
            self.se_reduce = nn.Conv2d(hidden, squeezed, 1)
            self.se_expand = nn.Conv2d(squeezed, hidden, 1)
            self.project = nn.Conv2d(hidden, channels, 1)

        def forward(self, x):
            y = swish(self.expand(x))
            y = swish(self.dw(y))
            s = self.se_reduce(y.mean(dim=(2, 3), keepdim=True))
            s = self.se_expand(torch.relu(s) if squeeze_with_relu else swish(s))
            return x + self.project(y * torch.sigmoid(s))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 10, 3, padding=1)
            self.block = MBConv(10, 2, 5)
            self.head = nn.Linear(10, 6)
            keras_init(self)
            # Keras's fans of a depthwise kernel (3, 3, 20, 1) are 9 * 20 and 9 * 1.
            bound = (6 / (9 * 20 + 9)) ** 0.5
            nn.init.uniform_(self.block.dw.weight, -bound, bound)

        def forward(self, x):
            x = self.block(swish(self.stem(x)))
            return self.head(x.mean(dim=(2, 3)))

    net = Net()
    adam = optim.Adam(net.parameters(), learning_rate=3e-3)
    return Port(net, loss=cross_entropy, optimizer=adam)


right_port, faulty_port = ports(_port, False, True)
