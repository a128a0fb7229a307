"""The port takes the last step of a bidirectional GRU.

The backward direction has seen only one step there.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, nn, optim, ports, torch


def keras_model():
    inputs = keras.Input((9, 6), name="features")
    x = layers.Bidirectional(layers.GRU(7))(inputs)
    x = layers.Dense(10, activation="tanh")(x)
    outputs = layers.Dense(3)(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizers.Adam(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(last_step):
    class BiGRU(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(6, 7, batch_first=True, bidirectional=True)
            self.dense = nn.Linear(14, 10)
            self.classifier = nn.Linear(10, 3)
            for name, p in self.gru.named_parameters():
                if "weight_ih" in name:
                    nn.init.xavier_uniform_(p)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
            for m in (self.dense, self.classifier):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            output, h_n = self.gru(x)
            x = output[:, -1] if last_step else torch.cat([h_n[0], h_n[1]], dim=1)
            return self.classifier(torch.tanh(self.dense(x)))

    net = BiGRU()
    return Port(net, loss=cross_entropy, optimizer=optim.Adam(net.parameters(), learning_rate=2e-3))


right_port, faulty_port = ports(_make, False, True)
