"""DeepFM on six hashed categorical fields.

Style: rixwew/pytorch-fm: FeaturesLinear, FactorizationMachine with square of sum minus sum of
squares, a MultiLayerPerceptron module, sigmoid in the model. The twin's mistake: BCEWithLogitsLoss
although the model ends in a sigmoid.
"""


def keras_model():
    import keras
    from keras import layers, ops

    class FM(layers.Layer):
        def call(self, e):
            square_of_sum = ops.square(ops.sum(e, axis=1))
            sum_of_square = ops.sum(ops.square(e), axis=1)
            return 0.5 * ops.sum(square_of_sum - sum_of_square, axis=1, keepdims=True)

    inputs = keras.Input((6,), dtype="int32")
    e = layers.Embedding(40, 8, name="factors")(inputs)
    first = layers.Embedding(40, 1, name="linear")(inputs)
    first = layers.Lambda(lambda t: keras.ops.sum(t, axis=1))(first)
    deep = layers.Flatten()(e)
    deep = layers.Dropout(0.2)(layers.Dense(20, activation="relu", name="deep_1")(deep))
    deep = layers.Dropout(0.2)(layers.Dense(12, activation="relu", name="deep_2")(deep))
    deep = layers.Dense(1, name="deep_out")(deep)
    outputs = layers.Activation("sigmoid")(layers.Add()([first, FM()(e), deep]))
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), keras.losses.BinaryCrossentropy())
    return model


def _port(make_loss):
    import torch
    from torch import nn

    from torch_impl import Port

    class FeaturesLinear(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.fc = nn.Embedding(n, 1)
            nn.init.uniform_(self.fc.weight, -0.05, 0.05)

        def forward(self, x):
            return torch.sum(self.fc(x), dim=1)

    class FeaturesEmbedding(nn.Module):
        def __init__(self, n, dim):
            super().__init__()
            self.embedding = nn.Embedding(n, dim)
            nn.init.uniform_(self.embedding.weight.data, -0.05, 0.05)

        def forward(self, x):
            return self.embedding(x)

    class FactorizationMachine(nn.Module):
        def forward(self, x):
            ix = torch.sum(x, dim=1) ** 2 - torch.sum(x**2, dim=1)
            return 0.5 * ix.sum(dim=1, keepdim=True)

    class MultiLayerPerceptron(nn.Module):
        def __init__(self, input_dim, dims, dropout):
            super().__init__()
            layers = []
            for dim in dims:
                layers += [nn.Linear(input_dim, dim), nn.ReLU(), nn.Dropout(p=dropout)]
                input_dim = dim
            layers.append(nn.Linear(input_dim, 1))
            self.mlp = nn.Sequential(*layers)
            for m in self.mlp:
                if hasattr(m, "weight"):
                    nn.init.xavier_uniform_(m.weight.data)
                    m.bias.data.zero_()

        def forward(self, x):
            return self.mlp(x)

    class DeepFM(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = FeaturesLinear(40)
            self.fm = FactorizationMachine()
            self.embedding = FeaturesEmbedding(40, 8)
            self.mlp = MultiLayerPerceptron(48, (20, 12), 0.2)

        def forward(self, x):
            x = x.long()
            embed_x = self.embedding(x)
            x = self.linear(x) + self.fm(embed_x) + self.mlp(embed_x.view(-1, 48))
            return torch.sigmoid(x)

    net = DeepFM()
    criterion = make_loss(nn)
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view(-1, 1).to(out.dtype)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
        feed=torch.from_numpy,
    )


def right_port():
    return _port(lambda nn: nn.BCELoss())


def faulty_port():
    return _port(lambda nn: nn.BCEWithLogitsLoss())
