"""nn.Embedding.from_pretrained freezes the embedding; Keras trains it."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((24,), dtype="int32"),
        layers.Embedding(80, 12),
        layers.Conv1D(10, 5, activation="relu"),
        layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid"),
    )
    model.compile(optimizers.Adam(0.005, epsilon=1e-5), "binary_crossentropy")
    return model


def _port(**settings):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            vectors = torch.empty(80, 12).uniform_(-0.05, 0.05)
            self.embedding = nn.Embedding.from_pretrained(vectors, **settings)
            self.conv = nn.Conv1d(12, 10, 5)
            self.head = nn.Linear(10, 1)

        def forward(self, tokens):
            x = self.embedding(tokens).transpose(1, 2)
            return self.head(F.relu(self.conv(x)).mean(-1))

    net = keras_init(Net())
    optimizer = optim.Adam(net.parameters(), learning_rate=0.005, epsilon=1e-5)
    return Port(net, loss=nn.BCEWithLogitsLoss(), optimizer=optimizer)


right_port, faulty_port = ports(_port, {"freeze": False}, {})
