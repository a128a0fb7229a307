"""The pooling branch of an inception block averages its padding too.

count_include_pad was left at True.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    inputs = keras.Input((15, 11, 4))
    a = layers.Conv2D(5, 1, activation="relu", name="branch1x1")(inputs)
    b = layers.Conv2D(3, 1, activation="relu", name="branch3x3_reduce")(inputs)
    b = layers.Conv2D(6, 3, padding="same", activation="relu", name="branch3x3")(b)
    c = layers.AveragePooling2D(3, strides=1, padding="same")(inputs)
    c = layers.Conv2D(4, 1, activation="relu", name="branch_pool")(c)
    x = layers.concatenate([a, b, c])
    x = layers.Conv2D(10, 3, activation="elu", name="mix")(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, name="logits")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", losses.CategoricalCrossentropy(from_logits=True))
    return model


def _make(**pool):
    class InceptionNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.branch1x1 = nn.Conv2d(4, 5, 1)
            self.branch3x3_1 = nn.Conv2d(4, 3, 1)
            self.branch3x3_2 = nn.Conv2d(3, 6, 3, padding=1)
            self.branch_pool = nn.Conv2d(4, 4, 1)
            self.mix = nn.Conv2d(15, 10, 3)
            self.fc = nn.Linear(10, 3)
            keras_init(self)

        def forward(self, x):
            a = F.relu(self.branch1x1(x))
            b = F.relu(self.branch3x3_2(F.relu(self.branch3x3_1(x))))
            c = F.relu(self.branch_pool(F.avg_pool2d(x, 3, stride=1, padding=1, **pool)))
            x = F.elu(self.mix(torch.cat([a, b, c], 1)))
            x = F.adaptive_avg_pool2d(x, 1).flatten(1)
            return self.fc(x)

    return InceptionNet()


right_port, faulty_port = ports(_make, {"count_include_pad": False}, {})
