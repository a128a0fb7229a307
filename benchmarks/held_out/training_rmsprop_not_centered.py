"""RMSprop(momentum=0.6, centered=True) was ported without centered."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim, ports


def keras_model():
    model = keras_sequential(
        keras.Input((25, 4)),
        layers.Conv1D(6, 3, strides=2, activation="relu"),
        layers.Flatten(),
        layers.Dense(8, activation="relu"),
        layers.Dense(1),
    )
    model.compile(optimizers.RMSprop(0.0025, rho=0.93, momentum=0.6, centered=True), "mae")
    return model


def _port(**settings):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(4, 6, 3, stride=2)  # 12 steps
            self.hidden = nn.Linear(12 * 6, 8)
            self.head = nn.Linear(8, 1)

        def forward(self, x):  # (N, time, features)
            x = self.conv(x.transpose(1, 2)).relu()
            x = x.transpose(1, 2).flatten(1)  # Keras's order
            return self.head(self.hidden(x).relu())

    net = keras_init(Net())
    optimizer = optim.RMSprop(
        net.parameters(), learning_rate=0.0025, rho=0.93, momentum=0.6, **settings
    )
    return Port(net, loss=nn.L1Loss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, {"centered": True}, {})
