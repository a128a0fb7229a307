"""The optimizer got only the feature extractor, so the classifier is not trained."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim, ports


def keras_model():
    model = keras_sequential(
        keras.Input((16, 20, 1)),
        layers.Conv2D(5, 5, activation="relu"),
        layers.MaxPooling2D((2, 4)),
        layers.Conv2D(8, (3, 2), activation="relu"),
        layers.Flatten(),
        layers.Dense(9, activation="relu"),
        layers.Dense(3),
    )
    model.compile(
        optimizers.Adagrad(0.02, initial_accumulator_value=0.05),
        losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(trained):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 5, 5),  # (12, 16)
                nn.ReLU(),
                nn.MaxPool2d((2, 4)),  # (6, 4)
                nn.Conv2d(5, 8, (3, 2)),  # (4, 3)
                nn.ReLU(),
            )
            self.classifier = nn.Sequential(
                nn.Flatten(), nn.Linear(8 * 4 * 3, 9), nn.ReLU(), nn.Linear(9, 3)
            )

        def forward(self, x):
            return self.classifier(self.features(x))

    net = keras_init(Net())
    optimizer = optim.Adagrad(
        trained(net).parameters(), learning_rate=0.02, initial_accumulator_value=0.05
    )
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, lambda net: net, lambda net: net.features)
