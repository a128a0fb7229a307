"""log_softmax in the module and NLLLoss, for softmax and sparse crossentropy in Keras.

The faulty twin returns softmax and still takes NLLLoss: the logarithm is missing.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, Port, nn, torch


def keras_model():
    model = keras_sequential(
        keras.Input((28, 20, 1)),
        layers.Conv2D(6, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(10, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(30, activation="relu"),
        layers.Dense(10, activation="softmax"),
    )
    model.compile(
        loss="sparse_categorical_crossentropy",
        optimizer=keras.optimizers.SGD(learning_rate=0.1),
        metrics=["accuracy"],
    )
    return model


def _port(log_probabilities):
    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5)
            self.conv2 = nn.Conv2d(6, 10, 5)
            self.fc1 = nn.Linear(10 * 4 * 2, 30)
            self.fc2 = nn.Linear(30, 10)
            for layer in (self.conv1, self.conv2, self.fc1, self.fc2):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.constant_(layer.bias, 0)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = x.view(-1, 10 * 4 * 2)
            x = F.relu(self.fc1(x))
            return log_probabilities(self.fc2(x))

    net = LeNet()
    criterion = nn.NLLLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.long().flatten()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    )


def right_port():
    return _port(lambda x: F.log_softmax(x, dim=1))


def faulty_port():
    return _port(lambda x: F.softmax(x, dim=1))
