"""Inception-like branches: three convolutions, a max pool and an average pool, concatenated.

The faulty twin has no ReLU between the 1x1 reduction and the 5x5 convolution.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, torch


def keras_model():
    def conv(x, filters, size):
        return layers.Conv2D(filters, size, padding="same", activation="relu")(x)

    def inception(x, f1, r3, f3, r5, f5, fp):
        one = conv(x, f1, 1)
        three = conv(conv(x, r3, 1), f3, 3)
        five = conv(conv(x, r5, 1), f5, 5)
        top = conv(layers.MaxPooling2D(3, strides=1, padding="same")(x), fp, 1)
        mean = conv(layers.AveragePooling2D(3, strides=1, padding="same")(x), fp + 1, 1)
        return layers.Concatenate(axis=-1)([one, three, five, top, mean])

    inputs = keras.Input((12, 15, 5))
    x = inception(inputs, 4, 5, 8, 3, 6, 2)
    x = layers.MaxPooling2D(2)(x)
    x = inception(x, 7, 6, 9, 4, 5, 3)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(9)(x)
    model = keras.Model(inputs, x, name="tiny_inception")
    model.compile(optimizers.SGD(0.07), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(between):
    def conv(cin, cout, size):
        return nn.Conv2d(cin, cout, size, padding=size // 2)

    class Inception(nn.Module):
        def __init__(self, cin, f1, r3, f3, r5, f5, fp):
            super().__init__()
            self.branch1 = nn.Sequential(conv(cin, f1, 1), nn.ReLU())
            self.branch2 = nn.Sequential(conv(cin, r3, 1), nn.ReLU(), conv(r3, f3, 3), nn.ReLU())
            self.branch3 = nn.Sequential(conv(cin, r5, 1), *between(), conv(r5, f5, 5), nn.ReLU())
            self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(cin, fp, 1), nn.ReLU())
            self.branch5 = nn.Sequential(
                nn.AvgPool2d(3, 1, 1, count_include_pad=False), conv(cin, fp + 1, 1), nn.ReLU()
            )

        def forward(self, x):
            branches = (self.branch1, self.branch2, self.branch3, self.branch4, self.branch5)
            return torch.cat([branch(x) for branch in branches], 1)

    net = nn.Sequential(
        Inception(5, 4, 5, 8, 3, 6, 2),
        nn.MaxPool2d(2),
        Inception(23, 7, 6, 9, 4, 5, 3),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
        nn.Linear(28, 9),
    )
    keras_init(net)
    return Port(net, loss=cross_entropy, optimizer=torch.optim.SGD(net.parameters(), 0.07))


def right_port():
    return _port(lambda: [nn.ReLU()])


def faulty_port():
    return _port(list)
