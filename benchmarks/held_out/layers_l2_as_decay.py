"""kernel_regularizer=L2 became weight_decay: the same gradient, no penalty in the loss."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, regularizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, optim, torch


def keras_model():
    model = keras_sequential(
        keras.Input((12, 10, 3)),
        layers.Conv2D(8, 3, activation="relu", kernel_regularizer=regularizers.L2(5e-4)),
        layers.MaxPooling2D(2),
        layers.Conv2D(12, 3, activation="relu", kernel_regularizer=regularizers.L2(5e-4)),
        layers.Flatten(),
        layers.Dense(6, kernel_regularizer=regularizers.L2(5e-4)),
    )
    model.compile(
        keras.optimizers.SGD(learning_rate=0.0625),
        losses.SparseCategoricalCrossentropy(from_logits=True),
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
    return keras_init(net)


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
    return Port(net, loss=cross_entropy, optimizer=optimizer)
