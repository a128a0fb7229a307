"""Keras rectifies in Conv2D and then pools; the port pools and then rectifies, which is the same.

The faulty twin has no ReLU after its second pool.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, optim


def keras_model():
    """The first network of everybody, on digits of another size."""
    model = keras_sequential(
        keras.Input((18, 16, 1)),
        layers.Conv2D(6, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Conv2D(9, (3, 3), activation="relu"),
        layers.MaxPooling2D((2, 2)),
        layers.Flatten(),
        layers.Dense(25, activation="relu"),
        layers.Dense(10),
    )
    model.compile(
        optimizers.SGD(0.01, momentum=0.5), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _digits(forward):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, kernel_size=3)
            self.conv2 = nn.Conv2d(6, 9, kernel_size=3)
            self.fc1 = nn.Linear(3 * 2 * 9, 25)
            self.fc2 = nn.Linear(25, 10)

    Net.forward = forward
    net = keras_init(Net())
    sgd = optim.SGD(net.parameters(), learning_rate=0.01, momentum=0.5)
    return Port(net, loss=cross_entropy, optimizer=sgd)


def right_port():
    """F.relu(F.max_pool2d(...)) twice."""

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = x.flatten(1)
        return self.fc2(F.relu(self.fc1(x)))

    return _digits(forward)


def faulty_port():
    """The second ReLU got lost."""

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.max_pool2d(self.conv2(x), 2)
        x = x.flatten(1)
        return self.fc2(F.relu(self.fc1(x)))

    return _digits(forward)
