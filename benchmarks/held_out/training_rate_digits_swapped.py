"""Two digits of the learning rate were swapped: 0.0027 instead of 0.0072."""

from functools import partial

from benchmarks.held_out.late import Port, keras, keras_init, layers, nn, optim

IDS = ("F6",)
LEVEL = "optimizer"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((11, 17, 3)),
            layers.Conv2D(7, (2, 3), activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(12, activation="sigmoid"),
            layers.Dense(1),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adamax(0.0072, beta_2=0.995),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return model


def _port(learning_rate):
    net = keras_init(
        nn.Sequential(
            nn.Conv2d(3, 7, (2, 3)),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(7, 12),
            nn.Sigmoid(),
            nn.Linear(12, 1),
        )
    )
    optimizer = optim.Adamax(net.parameters(), learning_rate=learning_rate, beta_2=0.995)
    return Port(net, loss=nn.BCEWithLogitsLoss(), optimizer=optimizer)


right_port = partial(_port, 0.0072)
faulty_port = partial(_port, 0.0027)
