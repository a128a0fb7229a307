"""One-hot labels in Keras; the port takes their argmax and F.cross_entropy of integers.

The faulty twin forgets the label smoothing of the Keras loss.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, torch

VOCABULARY, LENGTH, TOPICS = 60, 18, 5


def keras_model():
    model = keras_sequential(
        keras.Input((LENGTH,), dtype="int32"),
        layers.Embedding(VOCABULARY, 24),
        layers.GlobalAveragePooling1D(),
        layers.Dense(20, activation="relu"),
        layers.Dense(TOPICS, activation="softmax"),
    )
    model.compile(
        loss=losses.CategoricalCrossentropy(label_smoothing=0.1),
        optimizer=optimizers.SGD(learning_rate=0.15),
        metrics=["accuracy"],
    )
    return model


class _Text:
    """Builds the network; torch is not imported before it is called."""

    def __new__(cls):
        class Text(nn.Module):
            def __init__(self):
                super().__init__()
                self.emb = nn.Embedding(VOCABULARY, 24)
                self.fc1 = nn.Linear(24, 20)
                self.fc2 = nn.Linear(20, TOPICS)
                nn.init.uniform_(self.emb.weight, -0.05, 0.05)
                for fc in (self.fc1, self.fc2):
                    nn.init.xavier_uniform_(fc.weight)
                    nn.init.zeros_(fc.bias)

            def forward(self, tokens):
                x = self.emb(tokens.long()).mean(dim=1)
                return self.fc2(torch.relu(self.fc1(x)))

        return Text()


def _port(**options):
    net = _Text()
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y, **options),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.15),
        target=lambda y: torch.from_numpy(y).argmax(dim=-1),
    )


def right_port():
    return _port(label_smoothing=0.1)


def faulty_port():
    return _port()
