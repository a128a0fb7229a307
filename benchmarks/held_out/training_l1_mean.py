"""The l1 part of a regulariser is the mean of the absolute weights, not the sum."""

from functools import partial

from benchmarks.held_out.late import F, Port, keras, keras_init, layers, nn, optim, regularizers

IDS = ("C8",)
LEVEL = "loss"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((16, 12, 3)),
            layers.Conv2D(
                6, 3, activation="relu", kernel_regularizer=regularizers.L1L2(l1=2e-4, l2=5e-4)
            ),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(
                14, activation="relu", kernel_regularizer=regularizers.L1L2(l1=2e-4, l2=5e-4)
            ),
            layers.Dense(5),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.0008),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
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


right_port = partial(_port, lambda weight: weight.abs().sum())
faulty_port = partial(_port, lambda weight: weight.abs().mean())
