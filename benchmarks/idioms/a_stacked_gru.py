"""Two GRUs with reset_after=True are one nn.GRU with num_layers=2, behind an embedding.

The faulty twin forgets batch_first=True: the samples of a batch become its steps.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import Port, nn, ports, torch


def keras_model():
    """A classifier of short texts."""
    tokens = keras.Input((11,), dtype="int32", name="tokens")
    x = layers.Embedding(40, 12, name="embedding")(tokens)
    x = layers.GRU(16, return_sequences=True, reset_after=True, name="gru_1")(x)
    x = layers.GRU(16, reset_after=True, name="gru_2")(x)
    model = keras.Model(tokens, layers.Dense(4, name="logits")(x))
    model.compile(keras.optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _text_classifier(**options):
    class TextClassifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(40, 12)
            self.rnn = nn.GRU(12, 16, num_layers=2, **options)
            self.logits = nn.Linear(16, 4)
            nn.init.uniform_(self.emb.weight, -0.05, 0.05)
            for weights in self.rnn.all_weights:
                w_ih, w_hh, *biases = weights
                nn.init.xavier_uniform_(w_ih)
                nn.init.orthogonal_(w_hh)
                for bias in biases:
                    nn.init.zeros_(bias)
            nn.init.xavier_uniform_(self.logits.weight)
            nn.init.zeros_(self.logits.bias)

        def forward(self, tokens):
            out, _ = self.rnn(self.emb(tokens))
            return self.logits(out[:, -1, :])

    net = TextClassifier()
    return Port(
        net,
        loss=lambda logits, y: nn.functional.cross_entropy(logits, y.long().flatten()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    )


right_port, faulty_port = ports(_text_classifier, {"batch_first": True}, {})
