"""The betas of Lion were swapped: 0.98 mixes the step, 0.95 decays the momentum."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    left = keras.Input((7,), name="left")
    right = keras.Input((5,), name="right")
    x = layers.Concatenate()([left, right])
    x = layers.Dense(18, activation="softsign")(x)
    model = keras.Model([left, right], layers.Dense(2)(x))
    model.compile(optimizers.Lion(3e-4, beta_1=0.95, beta_2=0.98, weight_decay=0.05), "mse")
    return model


def _port(beta_1, beta_2):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(12, 18)
            self.head = nn.Linear(18, 2)

        def forward(self, left, right):
            x = self.hidden(torch.cat([left, right], dim=1))
            return self.head(F.softsign(x))

    net = keras_init(Net())
    optimizer = optim.Lion(
        net.parameters(), learning_rate=3e-4, beta_1=beta_1, beta_2=beta_2, weight_decay=0.05
    )
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer)


right_port, faulty_port = ports(
    _port, {"beta_1": 0.95, "beta_2": 0.98}, {"beta_1": 0.98, "beta_2": 0.95}
)
