"""RepeatVector between encoder and decoder is unsqueeze(1) and expand.

The faulty twin writes repeat(6, 1).view(n, 6, -1), which mixes the samples of a batch.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports


def keras_model():
    """Six future steps from ten past ones."""
    model = keras_sequential(
        keras.Input((10, 4)),
        layers.LSTM(15, name="encoder"),
        layers.RepeatVector(6, name="repeat"),
        layers.LSTM(11, return_sequences=True, name="decoder"),
        layers.TimeDistributed(layers.Dense(3), name="step"),
    )
    model.compile(optimizers.Adam(5e-3), "mse")
    return model


def _seq2seq(repeat):
    def keras_lstm(num_inputs, units):
        lstm = nn.LSTM(num_inputs, units, batch_first=True)
        nn.init.xavier_uniform_(lstm.weight_ih_l0)
        nn.init.orthogonal_(lstm.weight_hh_l0)
        nn.init.constant_(lstm.bias_ih_l0, 0.0)
        nn.init.constant_(lstm.bias_hh_l0, 0.0)
        lstm.bias_ih_l0.data[units : 2 * units].fill_(1.0)
        lstm.bias_hh_l0.requires_grad = False  # so that the bias does not learn twice as fast
        return lstm

    class Seq2Seq(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = keras_lstm(4, 15)
            self.decoder = keras_lstm(15, 11)
            self.step = nn.Linear(11, 3)
            nn.init.xavier_uniform_(self.step.weight)
            nn.init.zeros_(self.step.bias)

        def forward(self, past):
            _, (state, _) = self.encoder(past)
            outputs, _ = self.decoder(repeat(state[0], 6))
            return self.step(outputs)

    net = Seq2Seq()
    learned = [p for p in net.parameters() if p.requires_grad]
    return Port(net, loss=nn.MSELoss(), optimizer=optim.Adam(learned, learning_rate=5e-3))


right_port, faulty_port = ports(
    _seq2seq,
    lambda state, times: state.unsqueeze(1).expand(-1, times, -1),
    lambda state, times: state.repeat(times, 1).view(state.size(0), times, -1),
)
