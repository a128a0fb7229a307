"""kernel_regularizer=L2 became weight_decay: the same gradient, no penalty in the loss."""

from benchmarks.held_out.late import F, Port, keras, layers, nn, optim, regularizers, torch

IDS = ("C9",)
LEVEL = "loss"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((12, 10, 3)),
            layers.Conv2D(8, 3, activation="relu", kernel_regularizer=regularizers.L2(5e-4)),
            layers.MaxPooling2D(2),
            layers.Conv2D(12, 3, activation="relu", kernel_regularizer=regularizers.L2(5e-4)),
            layers.Flatten(),
            layers.Dense(6, kernel_regularizer=regularizers.L2(5e-4)),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=0.0625),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _net():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(3 * 2 * 12, 6),
    )
    for m in net:
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(m.bias)
    return net


def right_port():
    net = _net()

    def loss(logits, y):
        penalty = sum(p.square().sum() for n, p in net.named_parameters() if n.endswith("weight"))
        return F.cross_entropy(logits, y.long().flatten()) + 5e-4 * penalty

    return Port(net, loss=loss, optimizer=optim.SGD(net.parameters(), learning_rate=0.0625))


def faulty_port():
    net = _net()
    kernels = [p for n, p in net.named_parameters() if n.endswith("weight")]
    biases = [p for n, p in net.named_parameters() if n.endswith("bias")]
    optimizer = torch.optim.SGD(
        [{"params": kernels, "weight_decay": 2 * 5e-4}, {"params": biases}], lr=0.0625
    )
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.long().flatten()),
        optimizer=optimizer,
    )
