"""A Siamese network on pairs of feature vectors: shared tower, absolute difference, sigmoid.

Style: unbind of the pair, forward_once for both halves, in-place functional ReLUs, torch.abs of the
difference. The twin's mistake: the second half is detached, as in SimSiam.
"""


def keras_model():
    import keras
    from keras import layers

    tower = keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(24, activation="relu"),
            layers.Dense(16, activation="relu"),
            layers.Dense(8),
        ],
        name="tower",
    )
    pair = keras.Input((2, 12))
    a, b = tower(pair[:, 0]), tower(pair[:, 1])
    distance = layers.Lambda(lambda t: keras.ops.abs(t[0] - t[1]))([a, b])
    model = keras.Model(pair, layers.Dense(1, activation="sigmoid")(distance))
    model.compile(keras.optimizers.RMSprop(1e-3), "binary_crossentropy")
    return model


def _port(second):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class SiameseNetwork(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(12, 24)
            self.fc2 = nn.Linear(24, 16)
            self.fc3 = nn.Linear(16, 8)
            self.out = nn.Linear(8, 1)
            for m in self.children():
                nn.init.xavier_uniform_(m.weight)
                m.bias.data.fill_(0.0)

        def forward_once(self, x):
            x = F.relu(self.fc1(x), inplace=True)
            x = F.relu(self.fc2(x), inplace=True)
            return self.fc3(x)

        def forward(self, pair):
            x1, x2 = pair.unbind(1)
            output1, output2 = self.forward_once(x1), second(self.forward_once(x2))
            return torch.sigmoid(self.out(torch.abs(output1 - output2)))

    net = SiameseNetwork()
    return Port(
        net,
        loss=lambda out, y: F.binary_cross_entropy(out, y.view(out.size()).to(out.dtype)),
        optimizer=optim.RMSprop(net.parameters(), learning_rate=1e-3),
        feed=torch.from_numpy,
    )


def right_port():
    return _port(lambda z: z)


def faulty_port():
    return _port(lambda z: z.detach())
