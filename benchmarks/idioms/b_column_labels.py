"""Integer labels that come as a column (N, 1); the port picks log-probabilities by index.

The faulty twin indexes with the column: every row is paired with every label.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((11,)),
        layers.Dense(22, activation="selu"),
        layers.Dense(17, activation="selu"),
        layers.Dense(6, activation="softmax"),
        name="table_classifier",
    )
    model.compile(optimizers.SGD(0.04), losses.SparseCategoricalCrossentropy())
    return model


def _port(rows):
    net = torch_sequential(
        nn.Linear(11, 22),
        nn.SELU(),
        nn.Linear(22, 17),
        nn.SELU(),
        nn.Linear(17, 6),
    )

    def nll(logits, labels):
        log_p = torch.log_softmax(logits, dim=1)
        picked = log_p[torch.arange(len(log_p)), rows(labels.long())]
        return -picked.mean()

    return Port(net, loss=nll, optimizer=torch.optim.SGD(net.parameters(), lr=0.04))


def right_port():
    return _port(lambda labels: labels.view(-1))


def faulty_port():
    return _port(lambda labels: labels.view(-1, 1))
