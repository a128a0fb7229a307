"""Sensor classifier: two bidirectional GRUs (reset_after), dropout between, one logit.

Style: one nn.GRU with num_layers=2 and bidirectional, state h_n of the last layer, N x 1 labels and
BCEWithLogits against Keras's probabilities. Mistake of the twin: the state of the backward
direction is put first.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((15, 6))
    x = layers.Bidirectional(layers.GRU(10, return_sequences=True))(inputs)
    x = layers.Dropout(0.4)(x)
    x = layers.Bidirectional(layers.GRU(10))(x)
    x = layers.Dense(12, activation="relu")(x)
    outputs = layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(3e-3), loss="binary_crossentropy")
    return model


def _port(backward_first):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = nn.GRU(6, 10, 2, batch_first=True, dropout=0.4, bidirectional=True)
            self.fc = nn.Sequential(nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 1))
            self.reset_parameters()

        def reset_parameters(self):
            for name, p in self.named_parameters():
                if "weight_hh" in name:
                    nn.init.orthogonal_(p)
                elif "weight" in name:
                    nn.init.xavier_uniform_(p)
                else:
                    nn.init.zeros_(p)

        def forward(self, x):
            _, h_n = self.gru(x)
            if backward_first:
                state = torch.cat((h_n[-1], h_n[-2]), dim=1)
            else:
                state = torch.cat((h_n[-2], h_n[-1]), dim=1)
            return self.fc(state)

    net = Classifier()
    bce = nn.BCEWithLogitsLoss()
    return Port(
        net,
        loss=lambda logits, y: bce(logits, y.reshape(-1, 1).to(logits.dtype)),
        optimizer=optim.Adam(net.parameters(), learning_rate=3e-3),
        feed=lambda x: torch.from_numpy(x),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
