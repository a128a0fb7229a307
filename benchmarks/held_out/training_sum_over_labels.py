"""A crossentropy with reduction='sum' sums over the labels too; Keras takes their mean."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, optim, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((17, 13, 1)),
        layers.Conv2D(4, 3, strides=2, activation="relu"),
        layers.Conv2D(7, (2, 3), activation="relu"),
        layers.Flatten(),
        layers.Dense(6),
    )
    model.compile(
        optimizers.SGD(0.002, momentum=0.9),
        losses.BinaryCrossentropy(from_logits=True, reduction="sum"),
    )
    return model


def _port(loss):
    net = torch_sequential(
        nn.Conv2d(1, 4, 3, stride=2),  # (8, 6)
        nn.ReLU(),
        nn.Conv2d(4, 7, (2, 3)),  # (7, 4)
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(7 * 7 * 4, 6),
    )
    optimizer = optim.SGD(net.parameters(), learning_rate=0.002, momentum=0.9)
    return Port(net, loss=loss, optimizer=optimizer)


def right_port():
    def loss(logits, y):
        each = F.binary_cross_entropy_with_logits(logits, y, reduction="none")
        return each.mean(1).sum()

    return _port(loss)


def faulty_port():
    return _port(nn.BCEWithLogitsLoss(reduction="sum"))
