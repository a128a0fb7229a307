"""Two LSTMs on top of each other are one nn.LSTM with num_layers=2.

The faulty twin takes h_n[0], the last state of the lower LSTM.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim, ports


def keras_model():
    """A forecast of one value from 15 steps."""
    model = keras_sequential(
        keras.Input((15, 5)),
        layers.LSTM(20, return_sequences=True),
        layers.LSTM(20),
        layers.Dense(1),
    )
    model.compile(optimizers.Adam(1e-3), "mae")
    return model


def _forecast(which):
    class Forecaster(nn.Module):
        def __init__(self, num_features=5, hidden_size=20, num_layers=2):
            super().__init__()
            self.lstm = nn.LSTM(num_features, hidden_size, num_layers, batch_first=True)
            self.fc = nn.Linear(hidden_size, 1)
            self.reset_parameters()

        def reset_parameters(self):
            keras_init(self.fc)
            hidden = self.lstm.hidden_size
            for name, p in self.lstm.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(p)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
                if name.startswith("bias_ih"):
                    nn.init.ones_(p.data[hidden : 2 * hidden])
                if name.startswith("bias_hh"):
                    p.requires_grad = False  # Keras has a single bias

        def forward(self, x):
            _, (h_n, _) = self.lstm(x)
            return self.fc(h_n[which])

    net = Forecaster()
    trained = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=nn.L1Loss(), optimizer=optim.Adam(trained, learning_rate=1e-3))


right_port, faulty_port = ports(_forecast, -1, 0)
