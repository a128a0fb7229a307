"""Lazy modules get their shapes from a dry run on zeros, and their initial weights after it.

The dry run of the faulty twin is in train mode, so that batch normalisation keeps statistics of it.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, biased_norm, cross_entropy, nn, optim, torch


def keras_model():
    """Two convolutions, one normalised, and two dense layers."""
    model = keras_sequential(
        keras.Input((15, 13, 3)),
        layers.Conv2D(8, 3, name="conv_a"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(name="relu"),
        layers.MaxPooling2D(name="pool"),
        layers.Conv2D(10, 2, strides=2, activation="relu", name="conv_b"),
        layers.Flatten(name="flat"),
        layers.Dense(21, activation="relu", name="dense"),
        layers.Dense(3, name="logits"),
    )
    model.compile(optimizers.Adam(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _lazy_net():
    return nn.Sequential(
        nn.LazyConv2d(8, 3),
        biased_norm(nn.BatchNorm2d)(8, eps=1e-3, momentum=0.01),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.LazyConv2d(10, 2, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(21),
        nn.ReLU(),
        nn.LazyLinear(3),
    )


def _init_weights(module):
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


def _port(net):
    net.apply(_init_weights)
    return Port(net, cross_entropy, optim.Adam(net.parameters(), learning_rate=2e-3))


def right_port():
    """The dry run is in eval mode."""
    net = _lazy_net().eval()
    with torch.no_grad():
        net(torch.zeros(1, 3, 15, 13))
    return _port(net.train())


def faulty_port():
    """The dry run is in train mode."""
    net = _lazy_net()
    with torch.no_grad():
        net(torch.zeros(1, 3, 15, 13))
    return _port(net)
