"""A bidirectional nn.LSTM returns its sequence, which is averaged over the steps.

The faulty twin takes the last step of both directions, of which the backward one has seen a single
step there.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import nn


def keras_model():
    """A detector of gestures."""
    inputs = keras.Input((13, 6))
    x = layers.Bidirectional(layers.LSTM(9, return_sequences=True))(inputs)
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Dense(14, activation="relu")(x)
    outputs = layers.Dense(5, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizer=optimizers.Adam(), loss="sparse_categorical_crossentropy")
    return model


def _init_lstm(lstm):
    for name, p in lstm.named_parameters():
        kind = name.split("_l")[0]
        if kind == "weight_ih":
            nn.init.xavier_uniform_(p)
        elif kind == "weight_hh":
            nn.init.orthogonal_(p)
        elif kind == "bias_ih":
            i, f, g, o = p.data.chunk(4)
            for gate in (i, g, o):
                gate.zero_()
            f.fill_(1.0)
        else:
            p.data.zero_()
            p.requires_grad_(False)


def _gestures(pool):
    class GestureNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.bilstm = nn.LSTM(6, 9, bidirectional=True, batch_first=True)
            self.classifier = nn.Sequential(
                nn.Linear(18, 14), nn.ReLU(), nn.Linear(14, 5), nn.Softmax(dim=-1)
            )
            _init_lstm(self.bilstm)
            for layer in self.classifier:
                if hasattr(layer, "weight"):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)

        def forward(self, x):
            sequence, _ = self.bilstm(x)
            return self.classifier(pool(sequence))

    return GestureNet()


def right_port():
    """The mean over the steps."""
    return _gestures(lambda sequence: sequence.mean(dim=1))


def faulty_port():
    """The last step."""
    return _gestures(lambda sequence: sequence[:, -1])
