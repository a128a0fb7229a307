"""All biases of stacked LSTMs start at zero: unit_forget_bias was overlooked."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((14, 5)),
        layers.LSTM(12, return_sequences=True),
        layers.Dropout(0.25),
        layers.LSTM(8),
        layers.Dense(4),
    )
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(forget_bias):
    def init_lstm(lstm):
        u = lstm.hidden_size
        nn.init.xavier_uniform_(lstm.weight_ih_l0)
        nn.init.orthogonal_(lstm.weight_hh_l0)
        nn.init.zeros_(lstm.bias_ih_l0)
        nn.init.zeros_(lstm.bias_hh_l0)
        if forget_bias:
            with torch.no_grad():
                lstm.bias_ih_l0[u : 2 * u] = 1.0

    class SequenceClassifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm1 = nn.LSTM(5, 12, batch_first=True)
            self.lstm2 = nn.LSTM(12, 8, batch_first=True)
            self.drop = nn.Dropout(0.25)
            self.out = nn.Linear(8, 4)
            init_lstm(self.lstm1)
            init_lstm(self.lstm2)
            nn.init.xavier_uniform_(self.out.weight)
            nn.init.zeros_(self.out.bias)

        def forward(self, x):
            x, _ = self.lstm1(x)
            x, _ = self.lstm2(self.drop(x))
            return self.out(x[:, -1])

    return SequenceClassifier()


right_port, faulty_port = ports(_make, True, False)
