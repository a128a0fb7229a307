"""Nesterov momentum was ported to torch.optim.SGD.

Its buffer does not contain the learning rate, so it jumps when the rate changes.
"""

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, schedule, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((20, 16, 3)),
        layers.Conv2D(6, (3, 5), padding="same", activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(9, 3, activation="tanh"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4, activation="softmax"),
    )
    model.compile(
        optimizers.SGD(0.08, momentum=0.85, nesterov=True),
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    return Reference(model, callbacks=[keras.callbacks.ReduceLROnPlateau(patience=4)])


def _net():
    return torch_sequential(
        nn.Conv2d(3, 6, (3, 5), padding=(1, 2)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 9, 3),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(9, 4),
    )


def _port(net, optimizer):
    scheduler = schedule.ReduceLROnPlateau(optimizer, patience=4)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer, scheduler=scheduler)


def right_port():
    net = _net()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.08, momentum=0.85, nesterov=True)
    return _port(net, optimizer)


def faulty_port():
    net = _net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.08, momentum=0.85, nesterov=True)
    return _port(net, optimizer)
