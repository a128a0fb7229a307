"""Inception.

F.avg_pool2d(3, stride=1, padding=1) in the pool branch counts the padding; Keras's 'same'
does not.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    def conv(x, filters, size):
        return layers.Conv2D(filters, size, padding="same", activation="relu")(x)

    def inception(x):
        a = conv(x, 8, 1)
        b = conv(conv(x, 6, 1), 10, 3)
        c = conv(conv(x, 4, 1), 7, 5)
        d = conv(layers.AveragePooling2D(3, strides=1, padding="same")(x), 5, 1)
        return layers.Concatenate()([a, b, c, d])

    x = inputs = keras.Input((19, 14, 3))
    x = conv(x, 9, 3)
    x = inception(x)
    x = layers.MaxPooling2D()(x)
    x = inception(x)
    x = layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile(optimizers.SGD(0.02), "mean_absolute_error")
    return model


def _net(count_include_pad):
    class InceptionA(nn.Module):
        def __init__(self, cin):
            super().__init__()
            self.branch_pool = nn.Conv2d(cin, 5, kernel_size=1)
            self.branch5x5_1 = nn.Conv2d(cin, 4, kernel_size=1)
            self.branch5x5_2 = nn.Conv2d(4, 7, kernel_size=5, padding=2)
            self.branch3x3_1 = nn.Conv2d(cin, 6, kernel_size=1)
            self.branch3x3_2 = nn.Conv2d(6, 10, kernel_size=3, padding=1)
            self.branch1x1 = nn.Conv2d(cin, 8, kernel_size=1)

        def forward(self, x):
            branch1x1 = F.relu(self.branch1x1(x))
            branch3x3 = F.relu(self.branch3x3_1(x))
            branch3x3 = F.relu(self.branch3x3_2(branch3x3))
            branch5x5 = F.relu(self.branch5x5_1(x))
            branch5x5 = F.relu(self.branch5x5_2(branch5x5))
            pooled = F.avg_pool2d(
                x, kernel_size=3, stride=1, padding=1, count_include_pad=count_include_pad
            )
            pooled = F.relu(self.branch_pool(pooled))
            return torch.cat([branch1x1, branch3x3, branch5x5, pooled], 1)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 9, 3, padding=1)
            self.mixed_a = InceptionA(9)
            self.mixed_b = InceptionA(30)
            self.fc = nn.Linear(30, 3)
            keras_init(self)

        def forward(self, x):
            x = self.mixed_a(F.relu(self.stem(x)))
            x = self.mixed_b(F.max_pool2d(x, 2))
            return self.fc(x.amax(dim=(2, 3)))

    return Net()


right_port, faulty_port = ports(_net, False, True)
