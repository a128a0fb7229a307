"""Two digits of the learning rate were swapped: 0.0027 instead of 0.0072."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((11, 17, 3)),
        layers.Conv2D(7, (2, 3), activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(12, activation="sigmoid"),
        layers.Dense(1),
    )
    model.compile(
        optimizers.Adamax(0.0072, beta_2=0.995), losses.BinaryCrossentropy(from_logits=True)
    )
    return model


def _port(learning_rate):
    net = torch_sequential(
        nn.Conv2d(3, 7, (2, 3)),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(7, 12),
        nn.Sigmoid(),
        nn.Linear(12, 1),
    )
    optimizer = optim.Adamax(net.parameters(), learning_rate=learning_rate, beta_2=0.995)
    return Port(net, loss=nn.BCEWithLogitsLoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, 0.0072, 0.0027)
