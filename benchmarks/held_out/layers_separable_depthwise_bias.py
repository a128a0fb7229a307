"""The depthwise half of a separable convolution kept its bias.

SeparableConv2D has one, after the pointwise half.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, nn, ports


def keras_model():
    model = keras_sequential(
        keras.Input((14, 10, 5)),
        layers.SeparableConv2D(9, 3, padding="same", activation="relu"),
        layers.SeparableConv2D(12, 3, strides=2, padding="same", depth_multiplier=2),
        layers.LeakyReLU(),
        layers.GlobalMaxPooling2D(),
        layers.Dense(7, activation="selu"),
        layers.Dense(2),
        name="xception_tiny",
    )
    model.compile("nadam", "mse")
    return model


def _make(depthwise_bias):
    class Separable(nn.Module):
        def __init__(self, a, b, stride=1, multiplier=1):
            super().__init__()
            self.depthwise = nn.Conv2d(
                a, a * multiplier, 3, stride=stride, groups=a, bias=depthwise_bias
            )
            self.pointwise = nn.Conv2d(a * multiplier, b, 1)
            # Keras counts the fans of (3, 3, a, multiplier)
            bound = (6 / (9 * a + 9 * multiplier)) ** 0.5
            nn.init.uniform_(self.depthwise.weight, -bound, bound)
            nn.init.xavier_uniform_(self.pointwise.weight)
            nn.init.zeros_(self.pointwise.bias)
            if depthwise_bias:
                nn.init.zeros_(self.depthwise.bias)

        def forward(self, x):
            return self.pointwise(self.depthwise(x))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.sep1 = Separable(5, 9)
            self.sep2 = Separable(9, 12, stride=2, multiplier=2)
            self.fc1 = nn.Linear(12, 7)
            self.fc2 = nn.Linear(7, 2)
            for m in (self.fc1, self.fc2):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = F.relu(self.sep1(F.pad(x, (1, 1, 1, 1))))
            x = F.leaky_relu(self.sep2(F.pad(x, (0, 1, 0, 1))), 0.3)
            x = x.amax(dim=(2, 3))
            return self.fc2(F.selu(self.fc1(x)))

    return Net()


right_port, faulty_port = ports(_make, False, True)
