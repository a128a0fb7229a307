"""Kim's convolutional sentence classifier (Keras's IMDB text CNN against bentrevett's notebook).

Style: the embedded sentence is an image with one channel, nn.Conv2d with windows of the whole
embedding, squeeze(3), max_pool1d over all steps, torch.cat, dropout; own loading of the weights.
The twin's mistake: xavier_uniform_ of these two-dimensional filters, whose fan-out counts the
embedding too, so that the first weights are too small.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((22,), dtype="int32")
    x = layers.Embedding(50, 16, name="embedding")(inputs)
    pooled = []
    for size in (2, 3, 4):
        c = layers.Conv1D(7, size, activation="relu", name=f"conv_{size}")(x)
        pooled.append(layers.GlobalMaxPooling1D()(c))
    x = layers.Dropout(0.5)(layers.Concatenate()(pooled))
    model = keras.Model(inputs, layers.Dense(1, name="fc")(x))
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.BinaryCrossentropy(from_logits=True)
    )
    return model


def _port(init_filters):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class CNN(nn.Module):
        def __init__(
            self, vocab_size=50, embedding_dim=16, n_filters=7, filter_sizes=(2, 3, 4), dropout=0.5
        ):
            super().__init__()
            self.embedding = nn.Embedding(vocab_size, embedding_dim)
            self.convs = nn.ModuleList(
                [
                    nn.Conv2d(
                        in_channels=1, out_channels=n_filters, kernel_size=(fs, embedding_dim)
                    )
                    for fs in filter_sizes
                ]
            )
            self.fc = nn.Linear(len(filter_sizes) * n_filters, 1)
            self.dropout = nn.Dropout(dropout)

        def forward(self, text):
            embedded = self.embedding(text.long()).unsqueeze(1)
            conved = [F.relu(conv(embedded)).squeeze(3) for conv in self.convs]
            pooled = [F.max_pool1d(conv, conv.shape[2]).squeeze(2) for conv in conved]
            return self.fc(self.dropout(torch.cat(pooled, dim=1)))

    net = CNN()
    nn.init.uniform_(net.embedding.weight, -0.05, 0.05)
    for conv in net.convs:
        init_filters(nn.init, conv.weight)
        nn.init.zeros_(conv.bias)
    nn.init.xavier_uniform_(net.fc.weight)
    nn.init.zeros_(net.fc.bias)

    def load(net, weights):
        def tensor(name):
            return torch.from_numpy(weights[name])

        net.embedding.weight.data.copy_(tensor("embedding.embeddings"))
        for conv in net.convs:
            name = f"conv_{conv.kernel_size[0]}"
            conv.weight.data.copy_(tensor(name + ".kernel").permute(2, 0, 1).unsqueeze(1))
            conv.bias.data.copy_(tensor(name + ".bias"))
        net.fc.weight.data.copy_(tensor("fc.kernel").t())
        net.fc.bias.data.copy_(tensor("fc.bias"))

    criterion = nn.BCEWithLogitsLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view_as(out).to(out.dtype)),
        optimizer=optim.SGD(net.parameters(), learning_rate=0.1, momentum=0.9),
        feed=torch.from_numpy,
        load=load,
    )


def _as_conv1d(init, weight):
    out, _, size, dim = weight.shape
    bound = (6 / (size * (dim + out))) ** 0.5
    init.uniform_(weight, -bound, bound)


def right_port():
    return _port(_as_conv1d)


def faulty_port():
    return _port(lambda init, weight: init.xavier_uniform_(weight))
