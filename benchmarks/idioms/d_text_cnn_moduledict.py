"""Kim's text CNN: embedding, three widths of Conv1D, max over time, dropout, plain SGD.

Style: nn.ModuleDict built from a list of widths, log_softmax in forward and NLLLoss, amax over
time. Mistake of the twin: nn.Embedding(padding_idx=0), whose row 0 never gets a gradient, where
Keras's embedding trains it.
"""

WIDTHS = [3, 4, 5]


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((20,), dtype="int32")
    x = layers.Embedding(60, 16)(inputs)
    branches = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(12, w, activation="relu")(x)) for w in WIDTHS
    ]
    x = layers.Concatenate()(branches)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy")
    return model


def _port(padded):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    class TextCNN(nn.Module):
        def __init__(self, widths=WIDTHS):
            super().__init__()
            self.embed = nn.Embedding(60, 16, padding_idx=0 if padded else None)
            self.convs = nn.ModuleDict({f"w{w}": nn.Conv1d(16, 12, w) for w in widths})
            self.dropout = nn.Dropout(p=0.5)
            self.fc = nn.Linear(12 * len(widths), 4)
            nn.init.uniform_(self.embed.weight, -0.05, 0.05)
            for m in [*self.convs.values(), self.fc]:
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, ids):
            x = self.embed(ids).transpose(1, 2)
            x = torch.cat([F.relu(conv(x)).amax(2) for conv in self.convs.values()], 1)
            return F.log_softmax(self.fc(self.dropout(x)), dim=1)

    net = TextCNN()
    nll = nn.NLLLoss()
    return Port(
        net,
        loss=lambda logp, y: nll(logp, y.reshape(-1).long()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        feed=lambda ids: torch.as_tensor(ids).long(),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
