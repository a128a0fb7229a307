"""The l2 penalty of the kernels went into the weight_decay of SGD.

The steps are the same, but the loss has no penalty.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers, regularizers
from benchmarks.held_out.torch_side import F, Port, nn, torch, torch_sequential


def keras_model():
    l2 = regularizers.L2(1.5e-3)
    model = keras_sequential(
        keras.Input((10, 22, 2)),
        layers.Conv2D(4, (3, 4), activation="tanh", kernel_regularizer=l2),
        layers.AveragePooling2D((2, 3)),
        layers.Flatten(),
        layers.Dense(1, activation="sigmoid", kernel_regularizer=l2),
    )
    model.compile(optimizers.SGD(0.04), "binary_crossentropy")
    return model


def _net():
    return torch_sequential(
        nn.Conv2d(2, 4, (3, 4)),  # (8, 19)
        nn.Tanh(),
        nn.AvgPool2d((2, 3)),  # (4, 6)
        nn.Flatten(),
        nn.Linear(4 * 4 * 6, 1),
    )


def right_port():
    net = _net()

    def loss(logits, y):
        kernels = [p for name, p in net.named_parameters() if name.endswith("weight")]
        penalty = sum(kernel.square().sum() for kernel in kernels)
        return F.binary_cross_entropy_with_logits(logits, y) + 1.5e-3 * penalty

    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.04))


def faulty_port():
    net = _net()
    named = list(net.named_parameters())
    groups = [
        {"params": [p for n, p in named if n.endswith("weight")], "weight_decay": 2 * 1.5e-3},
        {"params": [p for n, p in named if n.endswith("bias")], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.04)
    return Port(net, loss=nn.BCEWithLogitsLoss(), optimizer=optimizer)
