"""Neural matrix factorisation with an L2 penalty on the tables of the MLP tower (He's.

Keras code, guoyang9's PyTorch).

Style: four embeddings, x[:, 0] and x[:, 1], products and torch.cat, kaiming_uniform_(a=1) for
lecun_uniform, the penalty added in the loss by hand. The twin's mistake: it penalises the rows
which the batch looked up, not the whole tables.
"""


def keras_model():
    import keras
    from keras import layers

    def table(dim, name, penalty=None):
        return layers.Embedding(
            30,
            dim,
            name=name,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=0.01),
            embeddings_regularizer=penalty,
        )

    pair = keras.Input((2,), dtype="int32")
    user, item = pair[:, 0], pair[:, 1]
    l2 = keras.regularizers.L2(2**-7)
    gmf = layers.Multiply()([table(6, "gmf_user")(user), table(6, "gmf_item")(item)])
    x = layers.Concatenate()([table(8, "mlp_user", l2)(user), table(8, "mlp_item", l2)(item)])
    x = layers.Dense(16, activation="relu", name="layer_1")(x)
    x = layers.Dense(8, activation="relu", name="layer_2")(x)
    x = layers.Concatenate()([gmf, x])
    out = layers.Dense(
        1, activation="sigmoid", kernel_initializer="lecun_uniform", name="prediction"
    )(x)
    model = keras.Model(pair, out)
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "binary_crossentropy")
    return model


def _port(whole_tables):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class NCF(nn.Module):
        def __init__(self, n=30):
            super().__init__()
            self.embed_user_GMF = nn.Embedding(n, 6)
            self.embed_item_GMF = nn.Embedding(n, 6)
            self.embed_user_MLP = nn.Embedding(n, 8)
            self.embed_item_MLP = nn.Embedding(n, 8)
            self.MLP_layers = nn.Sequential(
                nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU()
            )
            self.predict_layer = nn.Linear(14, 1)
            self._init_weight_()

        def _init_weight_(self):
            for m in self.modules():
                if isinstance(m, nn.Embedding):
                    nn.init.normal_(m.weight, std=0.01)
            for m in self.MLP_layers:
                if isinstance(m, nn.Linear):
                    nn.init.xavier_uniform_(m.weight)
            nn.init.kaiming_uniform_(self.predict_layer.weight, a=1, nonlinearity="leaky_relu")
            for m in self.modules():
                if isinstance(m, nn.Linear) and m.bias is not None:
                    m.bias.data.zero_()

        def forward(self, x):
            user, item = x[:, 0].long(), x[:, 1].long()
            output_GMF = self.embed_user_GMF(user) * self.embed_item_GMF(item)
            u, i = self.embed_user_MLP(user), self.embed_item_MLP(item)
            self.looked_up = (u, i)
            output_MLP = self.MLP_layers(torch.cat((u, i), -1))
            return torch.sigmoid(self.predict_layer(torch.cat((output_GMF, output_MLP), -1)))

    net = NCF()

    def loss(out, y):
        tensors = (
            (net.embed_user_MLP.weight, net.embed_item_MLP.weight)
            if whole_tables
            else net.looked_up
        )
        penalty = sum(t.pow(2).sum() for t in tensors)
        return F.binary_cross_entropy(out, y.reshape(out.shape).to(out.dtype)) + 2**-7 * penalty

    return Port(
        net,
        loss=loss,
        optimizer=optim.SGD(net.parameters(), learning_rate=0.1, momentum=0.9),
        feed=torch.from_numpy,
    )


def right_port():
    return _port(True)


def faulty_port():
    return _port(False)
