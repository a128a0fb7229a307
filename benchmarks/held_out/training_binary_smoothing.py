"""Label smoothing of a multi-label model uses the formula of the categorical loss.

That is s / number of labels instead of s / 2.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, optim, ports, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((14, 18, 2)),
        layers.Conv2D(5, 3, activation="relu"),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(7, activation="sigmoid"),
    )
    model.compile(
        optimizers.RMSprop(0.0015, rho=0.8), losses.BinaryCrossentropy(label_smoothing=0.12)
    )
    return model


def _port(soft):
    net = torch_sequential(
        nn.Conv2d(2, 5, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(5 * 6 * 8, 7),
    )
    return Port(
        net,
        loss=lambda logits, y: F.binary_cross_entropy_with_logits(logits, soft(y)),
        optimizer=optim.RMSprop(net.parameters(), learning_rate=0.0015, rho=0.8),
    )


right_port, faulty_port = ports(
    _port, lambda y: y * (1 - 0.12) + 0.12 / 2, lambda y: y * (1 - 0.12) + 0.12 / y.shape[-1]
)
