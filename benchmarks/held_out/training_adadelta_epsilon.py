"""Adadelta got Keras's rate and rho, but kept torch's epsilon of 1e-6."""

from functools import partial

from benchmarks.held_out.late import Port, keras, keras_init, layers, nn, torch

IDS = ("F8",)
LEVEL = "optimizer"


def keras_model():
    inputs = keras.Input((15, 11, 2))
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(inputs)
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dense(10, activation="softplus")(x)
    outputs = layers.Dense(2)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=keras.optimizers.Adadelta(learning_rate=0.9), loss="mse")
    return model


def _port(**settings):
    net = keras_init(
        nn.Sequential(
            nn.Conv2d(2, 5, 3, padding="same"),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(5, 10),
            nn.Softplus(threshold=40),
            nn.Linear(10, 2),
        )
    )
    optimizer = torch.optim.Adadelta(net.parameters(), lr=0.9, rho=0.95, **settings)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


right_port = partial(_port, eps=1e-7)
faulty_port = _port
