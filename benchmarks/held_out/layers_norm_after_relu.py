"""In one of three blocks, the ReLU comes before the batch normalisation."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import (
    Port,
    biased_norm,
    cross_entropy,
    nn,
    optim,
    ports,
    torch_sequential,
)


def keras_model():
    model = keras_sequential(
        keras.Input((14, 18, 3)),
        layers.Conv2D(8, 3, padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(12, (3, 5), padding="same", use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.Conv2D(10, 3, use_bias=False),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5),
    )
    model.compile(optimizers.Adam(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(swapped):
    def norm(channels):
        return biased_norm(nn.BatchNorm2d)(channels, eps=1e-3, momentum=0.1)

    second = [norm(12), nn.ReLU()]
    if swapped:
        second.reverse()
    net = torch_sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        norm(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, (3, 5), padding=(1, 2), bias=False),
        *second,
        nn.Conv2d(12, 10, 3, bias=False),
        norm(10),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(10, 5),
    )
    return Port(net, loss=cross_entropy, optimizer=optim.Adam(net.parameters(), learning_rate=1e-3))


right_port, faulty_port = ports(_make, False, True)
