"""Causal convolutions predict the counts of the next hour, with a Poisson loss.

The faulty twin has no ReLU behind the sum of the skips, leaves log_input=True in the loss, and
cuts the rate one step too early (Keras's boundaries belong to the piece before them).
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    x = series = keras.Input((26, 2))
    skips = []
    for rate in (1, 2, 4):
        z = layers.Conv1D(9, 2, padding="causal", dilation_rate=rate, activation="tanh")(x)
        skips.append(layers.Conv1D(7, 1)(z))
        x = z if rate == 1 else layers.Add()([x, z])
    x = layers.ReLU()(layers.Add()(skips))
    counts = layers.Conv1D(1, 1, activation="softplus")(x)
    model = keras.Model(series, counts)
    rate = optimizers.schedules.PiecewiseConstantDecay([30, 70], [0.02, 0.004, 0.0008])
    model.compile(optimizers.SGD(rate), losses.Poisson())
    return model


def _port(rectify, loss, milestones):
    class CausalConv(nn.Module):
        def __init__(self, cin, cout, dilation):
            super().__init__()
            self.left = dilation
            self.conv = nn.Conv1d(cin, cout, 2, dilation=dilation)

        def forward(self, x):
            return torch.tanh(self.conv(F.pad(x, (self.left, 0))))

    class WaveNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.convs = nn.ModuleList(
                [CausalConv(2, 9, 1), CausalConv(9, 9, 2), CausalConv(9, 9, 4)]
            )
            self.skips = nn.ModuleList([nn.Conv1d(9, 7, 1) for _ in range(3)])
            self.out = nn.Conv1d(7, 1, 1)

        def forward(self, x):
            total = 0
            for i, (conv, skip) in enumerate(zip(self.convs, self.skips, strict=True)):
                z = conv(x)
                total = total + skip(z)
                x = z if i == 0 else x + z
            total = F.relu(total) if rectify else total
            return F.softplus(self.out(total)).transpose(1, 2)

    net = keras_init(WaveNet())
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    return Port(
        net,
        loss=loss(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.2),
        scheduler_interval="step",
    )


right_port, faulty_port = ports(
    _port,
    {
        "rectify": True,
        "loss": lambda: nn.PoissonNLLLoss(log_input=False, eps=1e-7),
        "milestones": [31, 71],
    },
    {"rectify": False, "loss": lambda: nn.PoissonNLLLoss(), "milestones": [30, 70]},
)
