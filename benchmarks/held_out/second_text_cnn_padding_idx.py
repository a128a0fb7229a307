"""Text CNN.

nn.Embedding(padding_idx=0), although Keras's Embedding trains the row of token 0 like any
other.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    tokens = keras.Input((32,), dtype="int32")
    x = layers.Embedding(50, 12)(tokens)
    pooled = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(10, size, activation="relu")(x))
        for size in (2, 3, 4)
    ]
    x = layers.Dropout(0.35)(layers.Concatenate()(pooled))
    model = keras.Model(tokens, layers.Dense(4)(x))
    model.compile(optimizers.Adagrad(0.03), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(**embedding):
    class KimCNN(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(50, 12, **embedding)
            self.convs = nn.ModuleList([nn.Conv1d(12, 10, k) for k in (2, 3, 4)])
            self.dropout = nn.Dropout(0.35)
            self.fc = nn.Linear(30, 4)
            nn.init.uniform_(self.embed.weight, -0.05, 0.05)
            keras_init(self)

        def forward(self, tokens):
            x = self.embed(tokens.long()).permute(0, 2, 1)
            x = [F.relu(conv(x)) for conv in self.convs]
            x = [F.max_pool1d(y, y.size(2)).squeeze(2) for y in x]
            return self.fc(self.dropout(torch.cat(x, 1)))

    net = KimCNN()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adagrad(net.parameters(), learning_rate=0.03),
        target=lambda y: torch.as_tensor(y).long().reshape(-1),
    )


right_port, faulty_port = ports(_port, {}, {"padding_idx": 0})
