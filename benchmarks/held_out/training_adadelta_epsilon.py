"""Adadelta got Keras's rate and rho, but kept torch's epsilon of 1e-6."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, ports, torch, torch_sequential


def keras_model():
    inputs = keras.Input((15, 11, 2))
    x = layers.Conv2D(5, 3, padding="same", activation="relu")(inputs)
    x = layers.GlobalMaxPooling2D()(x)
    x = layers.Dense(10, activation="softplus")(x)
    outputs = layers.Dense(2)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizers.Adadelta(learning_rate=0.9), "mse")
    return model


def _port(**settings):
    net = torch_sequential(
        nn.Conv2d(2, 5, 3, padding="same"),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 10),
        nn.Softplus(threshold=40),
        nn.Linear(10, 2),
    )
    optimizer = torch.optim.Adadelta(net.parameters(), lr=0.9, rho=0.95, **settings)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, {"eps": 1e-7}, {})
