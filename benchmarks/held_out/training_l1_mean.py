"""The l1 part of a regulariser is the mean of the absolute weights, not the sum."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, regularizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    model = keras_sequential(
        keras.Input((16, 12, 3)),
        layers.Conv2D(
            6, 3, activation="relu", kernel_regularizer=regularizers.L1L2(l1=2e-4, l2=5e-4)
        ),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(14, activation="relu", kernel_regularizer=regularizers.L1L2(l1=2e-4, l2=5e-4)),
        layers.Dense(5),
    )
    model.compile(
        keras.optimizers.Adam(0.0008), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(l1_norm):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 3)
            self.hidden = nn.Linear(6 * 7 * 5, 14)
            self.head = nn.Linear(14, 5)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv(x)), 2)
            return self.head(F.relu(self.hidden(x.flatten(1))))

    net = keras_init(Net())

    def loss(logits, y):
        total = F.cross_entropy(logits, y.long())
        for layer in (net.conv, net.hidden):
            total = total + 2e-4 * l1_norm(layer.weight) + 5e-4 * layer.weight.square().sum()
        return total

    return Port(net, loss=loss, optimizer=optim.Adam(net.parameters(), learning_rate=0.0008))


right_port, faulty_port = ports(
    _port, lambda weight: weight.abs().sum(), lambda weight: weight.abs().mean()
)
