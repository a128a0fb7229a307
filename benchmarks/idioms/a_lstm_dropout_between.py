"""LSTM, Dropout, LSTM is one nn.LSTM with num_layers=2 and dropout=0.3, which drops in between.

The faulty twin has its dropout after the second LSTM instead.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    """Two targets from 12 steps."""
    model = keras_sequential(
        keras.Input((12, 7), name="signal"),
        layers.LSTM(14, return_sequences=True, name="lower"),
        layers.Dropout(0.3, name="between"),
        layers.LSTM(14, name="upper"),
        layers.Dense(2, name="targets"),
    )
    model.compile(keras.optimizers.Nadam(2e-3), "mse")
    return model


def _regressor(between, after):
    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm = nn.LSTM(7, 14, num_layers=2, batch_first=True, dropout=between)
            self.drop = nn.Dropout(after) if after else nn.Identity()
            self.targets = keras_init(nn.Linear(14, 2))
            for layer in range(2):
                nn.init.xavier_uniform_(getattr(self.lstm, f"weight_ih_l{layer}"))
                nn.init.orthogonal_(getattr(self.lstm, f"weight_hh_l{layer}"))
                bias = getattr(self.lstm, f"bias_ih_l{layer}")
                nn.init.zeros_(bias)
                bias.data[14:28] = 1
                other = getattr(self.lstm, f"bias_hh_l{layer}")
                nn.init.zeros_(other)
                other.requires_grad_(False)  # its gradient would count the bias twice

        def forward(self, x):
            out, _ = self.lstm(x)
            return self.targets(self.drop(out[:, -1]))

    net = Regressor()
    trainable = filter(lambda p: p.requires_grad, net.parameters())
    return Port(net, loss=F.mse_loss, optimizer=optim.Nadam(trainable, learning_rate=2e-3))


right_port, faulty_port = ports(
    _regressor, {"between": 0.3, "after": 0.0}, {"between": 0.0, "after": 0.3}
)
