"""Self-attentive sentence embedding: three attention rows over the words of a sentence.

The faulty twin takes the softmax over the rows (dim=-1) and not over the words.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, ports, torch


def keras_model():
    words = keras.Input((18,), dtype="int32")
    h = layers.Embedding(40, 10)(words)
    h = layers.Conv1D(12, 3, padding="same", activation="relu")(h)
    scores = layers.Dense(8, activation="tanh", use_bias=False)(h)
    scores = layers.Dense(3, use_bias=False)(scores)
    attention = layers.Softmax(axis=1)(scores)
    sentence = layers.Dot(axes=1)([attention, h])
    x = layers.Flatten()(sentence)
    model = keras.Model(words, layers.Dense(5)(x))
    model.compile(optimizers.SGD(0.05), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(dim):
    class StructuredSelfAttention(nn.Module):
        def __init__(self, vocab=40, emb=10, hidden=12, d_a=8, r=3, n_classes=5):
            super().__init__()
            self.embedding = nn.Embedding(vocab, emb)
            self.conv = nn.Conv1d(emb, hidden, kernel_size=3, padding=1)
            self.ws1 = nn.Linear(hidden, d_a, bias=False)
            self.ws2 = nn.Linear(d_a, r, bias=False)
            self.out = nn.Linear(r * hidden, n_classes)
            keras_init(self)
            nn.init.uniform_(self.embedding.weight, -0.05, 0.05)

        def forward(self, tokens):
            h = self.embedding(tokens.long())
            h = F.relu(self.conv(h.transpose(1, 2))).transpose(1, 2)
            a = F.softmax(self.ws2(torch.tanh(self.ws1(h))), dim=dim)
            m = torch.bmm(a.transpose(1, 2), h)
            return self.out(m.flatten(1))

    net = StructuredSelfAttention()
    return Port(
        net, loss=cross_entropy, optimizer=torch.optim.SGD(net.parameters(), lr=0.05), feed=_feed
    )


def _feed(tokens):
    return torch.as_tensor(tokens)


right_port, faulty_port = ports(_port, 1, -1)
