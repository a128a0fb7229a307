"""A bidirectional LSTM for sentiment (Keras's IMDB example against bentrevett's notebook).

Style: nn.LSTM with batch_first, the two last hidden states joined by torch.cat, sigmoid and
BCELoss; the second bias is zero and frozen since Keras has one. The twin's mistake: the last step
of the outputs instead of the hidden states, so that the backward direction has read one word only.
"""


def keras_model():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((14,), dtype="int32"),
            layers.Embedding(60, 12),
            layers.Bidirectional(layers.LSTM(10)),
            layers.Dropout(0.3),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    return model


def _port(read_out):
    import torch
    from torch import nn

    from torch_impl import Port

    class RNN(nn.Module):
        def __init__(self, vocab=60, emb=12, hid=10):
            super().__init__()
            self.hid = hid
            self.embedding = nn.Embedding(vocab, emb)
            self.rnn = nn.LSTM(emb, hid, bidirectional=True, batch_first=True)
            self.fc = nn.Linear(hid * 2, 1)
            self.dropout = nn.Dropout(0.3)
            self.reset()

        def reset(self):
            self.embedding.weight.data.uniform_(-0.05, 0.05)
            for name, p in self.rnn.named_parameters():
                if "weight_ih" in name:
                    nn.init.xavier_uniform_(p)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(p)
                else:
                    p.data.zero_()
                    if "bias_ih" in name:
                        p.data[self.hid : 2 * self.hid] = 1
                    else:
                        p.requires_grad_(False)
            nn.init.xavier_uniform_(self.fc.weight)
            self.fc.bias.data.zero_()

        def forward(self, text):
            output, (hidden, _cell) = self.rnn(self.embedding(text.long()))
            return torch.sigmoid(self.fc(self.dropout(read_out(torch, output, hidden))))

    net = RNN()
    criterion = nn.BCELoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view_as(out).to(out.dtype)),
        optimizer=torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1),
        feed=torch.from_numpy,
    )


def right_port():
    return _port(
        lambda torch, output, hidden: torch.cat((hidden[-2, :, :], hidden[-1, :, :]), dim=1)
    )


def faulty_port():
    return _port(lambda torch, output, hidden: output[:, -1, :])
