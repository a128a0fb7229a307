"""Nesterov momentum was ported to torch.optim.SGD.

Its buffer does not contain the learning rate, so it jumps when the rate changes.
"""

from benchmarks.held_out.late import Port, keras, keras_init, layers, nn, optim, torch

IDS = ("F5",)
LEVEL = "optimizer"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((20, 16, 3)),
            layers.Conv2D(6, (3, 5), padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(9, 3, activation="tanh"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(0.08, momentum=0.85, nesterov=True),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return model


def _net():
    return keras_init(
        nn.Sequential(
            nn.Conv2d(3, 6, (3, 5), padding=(1, 2)),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 9, 3),
            nn.Tanh(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(9, 4),
        )
    )


def right_port():
    net = _net()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.08, momentum=0.85, nesterov=True)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def faulty_port():
    net = _net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.08, momentum=0.85, nesterov=True)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
