"""SpatialDropout1D.

nn.Dropout1d on (N, T, C), before the transpose, drops time steps and not channels.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import keras_init, nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((30,), dtype="int32"),
        layers.Embedding(80, 20),
        layers.SpatialDropout1D(0.25),
        layers.Conv1D(24, 5, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(3, activation="softmax"),
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _net(drop_channels):
    class TextNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.word = nn.Embedding(80, 20)
            self.drop = nn.Dropout1d(0.25)
            self.conv = nn.Conv1d(20, 24, 5)
            self.out = nn.Linear(24, 3)
            nn.init.uniform_(self.word.weight, -0.05, 0.05)
            keras_init(self)

        def forward(self, tokens):
            x = self.word(tokens.long())
            x = self.drop(x.transpose(1, 2)) if drop_channels else self.drop(x).transpose(1, 2)
            x = torch.relu(self.conv(x)).amax(2)
            return torch.softmax(self.out(x), dim=1)

    return TextNet()


right_port, faulty_port = ports(_net, True, False)
