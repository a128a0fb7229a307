"""N-BEATS: generic blocks subtract what they explain of the past and add up the forecast.

Huber(delta=2.0) of the Keras model became SmoothL1Loss(beta=2.0) in the faulty twin.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    series = keras.Input((16,), name="past")
    residual, forecasts = series, []
    for i in range(3):
        h = layers.Dense(20, activation="relu", name=f"block{i}_fc1")(residual)
        h = layers.Dense(20, activation="relu", name=f"block{i}_fc2")(h)
        forecasts.append(layers.Dense(4, name=f"block{i}_forecast")(h))
        if i < 2:
            backcast = layers.Dense(16, name=f"block{i}_backcast")(h)
            residual = layers.Subtract(name=f"residual{i}")([residual, backcast])
    model = keras.Model(series, layers.Add(name="forecast")(forecasts))
    model.compile(
        optimizers.SGD(0.02, momentum=0.8, nesterov=True),
        losses.Huber(delta=2.0),
        jit_compile=False,
    )
    return model


def _port(criterion):
    class Block(nn.Module):
        def __init__(self, past, future, units, last):
            super().__init__()
            self.fc1 = nn.Linear(past, units)
            self.fc2 = nn.Linear(units, units)
            self.forecast = nn.Linear(units, future)
            self.backcast = None if last else nn.Linear(units, past)

        def forward(self, x):
            h = F.relu(self.fc2(F.relu(self.fc1(x))))
            left = x if self.backcast is None else x - self.backcast(h)
            return left, self.forecast(h)

    class NBeats(nn.Module):
        def __init__(self, n_blocks=3):
            super().__init__()
            self.blocks = nn.ModuleList(
                Block(16, 4, 20, i == n_blocks - 1) for i in range(n_blocks)
            )

        def forward(self, x):
            total = 0
            for block in self.blocks:
                x, forecast = block(x)
                total = total + forecast
            return total

    net = keras_init(NBeats())
    optimizer = optim.SGD(net.parameters(), learning_rate=0.02, momentum=0.8, nesterov=True)
    return Port(net, loss=criterion(), optimizer=optimizer)


right_port, faulty_port = ports(
    _port, lambda: nn.HuberLoss(delta=2.0), lambda: nn.SmoothL1Loss(beta=2.0)
)
