"""A causal convolution and a GRU forecast three values; gradients are clipped by value.

The faulty twin pads on both sides, keeps the uniform recurrent weights of nn.GRU, and clips the
norm of all gradients.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((21, 4)),
        layers.Conv1D(8, 3, padding="causal", activation="relu"),
        layers.GRU(11),
        layers.Dense(3),
    )
    model.compile(optimizers.SGD(0.05, clipvalue=0.02), "mean_squared_error")
    return model


def _port(padding, orthogonal, clip):
    class Forecaster(nn.Module):
        def __init__(self, features=4, horizon=3):
            super().__init__()
            self.conv = nn.Conv1d(features, 8, kernel_size=3)
            self.gru = nn.GRU(8, 11, batch_first=True)
            self.fc = nn.Linear(11, horizon)
            for w in (self.conv.weight, self.gru.weight_ih_l0, self.fc.weight):
                nn.init.xavier_uniform_(w)
            for b in (self.conv.bias, self.gru.bias_ih_l0, self.gru.bias_hh_l0, self.fc.bias):
                nn.init.zeros_(b)
            if orthogonal:
                nn.init.orthogonal_(self.gru.weight_hh_l0)

        def forward(self, x):
            x = F.pad(x.transpose(1, 2), padding)
            x = torch.relu(self.conv(x)).transpose(1, 2)
            _, h = self.gru(x)
            return self.fc(h.squeeze(0))

    net = Forecaster()
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
        before_step=lambda net: clip()(net.parameters(), 0.02),
        feed=lambda x: torch.from_numpy(x),
    )


right_port, faulty_port = ports(
    _port,
    {"padding": (2, 0), "orthogonal": True, "clip": lambda: nn.utils.clip_grad_value_},
    {"padding": (1, 1), "orthogonal": False, "clip": lambda: nn.utils.clip_grad_norm_},
)
