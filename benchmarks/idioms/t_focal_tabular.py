"""Embedded categories next to numbers, and a focal loss written by hand.

The faulty twin has the tanh formula of GELU, gives alpha to the wrong class, and keeps the normal
weights that nn.Embedding draws.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    category = keras.Input((2,), dtype="int32", name="category")
    numeric = keras.Input((7,), name="numeric")
    embedded = layers.Flatten()(layers.Embedding(25, 4, name="emb")(category))
    x = layers.Concatenate()([embedded, numeric])
    x = layers.Dense(28, activation="gelu")(x)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(14, activation="gelu")(x)
    model = keras.Model([category, numeric], layers.Dense(1, activation="sigmoid")(x))
    focal = losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.3, gamma=1.5)
    model.compile(optimizers.SGD(0.05), focal)
    return model


class FocalLoss:
    """-a (1 - p)^gamma log(p) of the probability of the true class, as a mean."""

    def __init__(self, positive, negative, gamma):
        self.positive, self.negative, self.gamma = positive, negative, gamma

    def __call__(self, logits, y):
        """Returns the loss."""
        y = y.to(logits.dtype).view_as(logits)
        log_pt = F.logsigmoid(torch.where(y == 1, logits, -logits))
        alpha = torch.where(y == 1, self.positive, self.negative)
        return (-alpha * (1 - log_pt.exp()) ** self.gamma * log_pt).mean()


def _net(approximate):
    class TabularNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.emb = nn.Embedding(25, 4)
            self.layers = nn.Sequential(
                nn.Linear(2 * 4 + 7, 28),
                nn.GELU(approximate=approximate),
                nn.Dropout(0.2),
                nn.Linear(28, 14),
                nn.GELU(approximate=approximate),
                nn.Linear(14, 1),
            )
            keras_init(self)

        def forward(self, category, numeric):
            x = self.emb(category.long()).flatten(1)
            return self.layers(torch.cat([x, numeric], dim=1))

    return TabularNet()


def right_port():
    net = _net("none")
    nn.init.uniform_(net.emb.weight, -0.05, 0.05)
    return Port(
        net, loss=FocalLoss(0.3, 0.7, 1.5), optimizer=torch.optim.SGD(net.parameters(), lr=0.05)
    )


def faulty_port():
    net = _net("tanh")
    return Port(
        net, loss=FocalLoss(0.7, 0.3, 1.5), optimizer=torch.optim.SGD(net.parameters(), lr=0.05)
    )
