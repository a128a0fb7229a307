"""Bidirectional LSTM: out[:, -1], where the backward direction has seen only one time step."""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import nn, ports, torch


def keras_model():
    x = inputs = keras.Input((25,), dtype="int32")
    x = layers.Embedding(60, 16)(x)
    x = layers.Bidirectional(layers.LSTM(14))(x)
    x = layers.Dense(12, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    model.compile("adam", "binary_crossentropy")
    return model


def _net(last_states):
    class Sentiment(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(60, 16)
            self.lstm = nn.LSTM(16, 14, batch_first=True, bidirectional=True)
            self.fc = nn.Sequential(nn.Linear(28, 12), nn.ReLU(), nn.Linear(12, 1), nn.Sigmoid())
            self.reset_parameters()

        def reset_parameters(self):
            nn.init.uniform_(self.embedding.weight, -0.05, 0.05)
            for name, p in self.lstm.named_parameters():
                if "weight_ih" in name:
                    nn.init.xavier_uniform_(p)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
                    if "bias_ih" in name:
                        p.data[14:28].fill_(1.0)
                    else:
                        p.requires_grad_(False)
            for i in (0, 2):
                nn.init.xavier_uniform_(self.fc[i].weight)
                nn.init.zeros_(self.fc[i].bias)

        def forward(self, tokens):
            out, (h, _) = self.lstm(self.embedding(tokens.long()))
            x = torch.cat([h[0], h[1]], dim=1) if last_states else out[:, -1]
            return self.fc(x)

    return Sentiment()


right_port, faulty_port = ports(_net, True, False)
