"""torch's own BatchNorm2d with Keras's momentum translated to 1 - 0.99.

The first port is right but for the moving variance: torch divides by n - 1, Keras by n.
The faulty twin gives momentum=0.99 as it stands in Keras.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, nn, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((15, 11, 4)),
        layers.Conv2D(10, (3, 3), use_bias=False),
        layers.BatchNormalization(momentum=0.99),
        layers.Activation("relu"),
        layers.Conv2D(18, (3, 3), use_bias=False),
        layers.BatchNormalization(momentum=0.99),
        layers.Activation("relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(6, activation="softmax"),
        name="small_vgg",
    )
    model.compile(optimizers.SGD(0.02), "sparse_categorical_crossentropy")
    return model


def _port(momentum):
    net = torch_sequential(
        nn.Conv2d(4, 10, 3, bias=False),
        nn.BatchNorm2d(10, eps=1e-3, momentum=momentum),
        nn.ReLU(),
        nn.Conv2d(10, 18, 3, bias=False),
        nn.BatchNorm2d(18, eps=1e-3, momentum=momentum),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(18, 6),
    )
    return Port(net, loss=cross_entropy, optimizer=torch.optim.SGD(net.parameters(), lr=0.02))


def right_port():
    return _port(1 - 0.99)


def faulty_port():
    return _port(0.99)
