"""Character RNN of an old tutorial: its LSTM has hard sigmoid gates.

The faulty twin has the gates of every other LSTM, with the sigmoid.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, torch

VOCAB, HIDDEN = 30, 16


def keras_model():
    x = text = keras.Input((20,), dtype="int32")
    x = layers.Embedding(VOCAB, 12)(x)
    x = layers.LSTM(HIDDEN, recurrent_activation="hard_sigmoid", return_sequences=True)(x)
    model = keras.Model(text, layers.Dense(VOCAB)(x))
    model.compile(optimizers.SGD(0.5), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(gate):
    class OldLSTM(nn.LSTM):
        """The LSTM with another function at its gates, step by step."""

        def forward(self, x):
            h = c = x.new_zeros(x.size(0), self.hidden_size)
            outputs = []
            for step in x.unbind(1):
                z = F.linear(step, self.weight_ih_l0, self.bias_ih_l0)
                z = z + F.linear(h, self.weight_hh_l0, self.bias_hh_l0)
                i, f, g, o = z.chunk(4, dim=1)
                c = gate(f) * c + gate(i) * torch.tanh(g)
                h = gate(o) * torch.tanh(c)
                outputs.append(h)
            return torch.stack(outputs, dim=1), (h, c)

    class CharRNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Embedding(VOCAB, 12)
            self.rnn = OldLSTM(12, HIDDEN, batch_first=True)
            self.decoder = nn.Linear(HIDDEN, VOCAB)
            nn.init.uniform_(self.encoder.weight, -0.05, 0.05)
            nn.init.xavier_uniform_(self.decoder.weight)
            nn.init.zeros_(self.decoder.bias)
            nn.init.xavier_uniform_(self.rnn.weight_ih_l0)
            nn.init.orthogonal_(self.rnn.weight_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)
            self.rnn.bias_ih_l0.data[HIDDEN : 2 * HIDDEN] = 1.0
            nn.init.zeros_(self.rnn.bias_hh_l0)
            self.rnn.bias_hh_l0.requires_grad_(False)

        def forward(self, text):
            out, _ = self.rnn(self.encoder(text.long()))
            return self.decoder(out)

    net = CharRNN()
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits.reshape(-1, VOCAB), y.reshape(-1).long()),
        optimizer=torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.5),
    )


def right_port():
    return _port(F.hardsigmoid)


def faulty_port():
    return _port(torch.sigmoid)
