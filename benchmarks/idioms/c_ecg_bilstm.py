"""Heartbeats: two bidirectional LSTMs over a time series, one nn.LSTM with num_layers=2.

The faulty twin classifies out[:, -1], where the backward direction has seen one step only.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((24, 3)),
        layers.Bidirectional(layers.LSTM(8, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(8)),
        layers.Dense(4),
    )
    model.compile(optimizers.Adam(1e-3), losses.CategoricalCrossentropy(from_logits=True))
    return model


def _port(last):
    class BiLSTM(nn.Module):
        def __init__(self, input_size=3, hidden_size=8, num_classes=4):
            super().__init__()
            self.lstm = nn.LSTM(
                input_size, hidden_size, num_layers=2, batch_first=True, bidirectional=True
            )
            self.fc = nn.Linear(2 * hidden_size, num_classes)
            self.init_weights(hidden_size)

        def init_weights(self, hidden_size):
            for name, param in self.lstm.named_parameters():
                if name.startswith("weight_ih"):
                    nn.init.xavier_uniform_(param)
                elif name.startswith("weight_hh"):
                    nn.init.orthogonal_(param)
                elif name.startswith("bias_ih"):
                    nn.init.zeros_(param)
                    param.data[hidden_size : 2 * hidden_size] = 1
                else:
                    nn.init.zeros_(param)
                    param.requires_grad = False
            nn.init.xavier_uniform_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)

        def forward(self, x):
            out, (h_n, _) = self.lstm(x)
            return self.fc(last(out, h_n))

    net = BiLSTM()
    weights = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optim.Adam(weights, learning_rate=1e-3))


right_port, faulty_port = ports(
    _port, lambda out, h: torch.cat([h[-2], h[-1]], dim=1), lambda out, h: out[:, -1]
)
