"""dilation=3 was forgotten in one branch of an ASPP head; 'same' keeps the shape."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import (
    F,
    Port,
    cross_entropy,
    keras_init,
    nn,
    optim,
    ports,
    torch,
)


def keras_model():
    inputs = keras.Input((18, 14, 3))
    x = layers.Conv2D(8, 3, padding="same")(inputs)
    x = layers.LeakyReLU(negative_slope=0.1)(x)
    branches = [layers.Conv2D(4, 1, activation="relu")(x)]
    for rate in (2, 3):
        branches.append(
            layers.Conv2D(4, 3, padding="same", dilation_rate=rate, activation="relu")(x)
        )
    x = layers.Concatenate()(branches)
    x = layers.Conv2D(10, 1, activation="relu")(x)
    x = layers.AveragePooling2D((3, 2))(x)
    x = layers.GlobalMaxPooling2D()(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="aspp")
    model.compile(optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    return model


def _make(rates):
    class ASPPNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding="same")
            self.point = nn.Conv2d(8, 4, 1)
            self.aspp = nn.ModuleList(
                [nn.Conv2d(8, 4, 3, padding="same", dilation=r) for r in rates]
            )
            self.project = nn.Conv2d(12, 10, 1)
            self.head = nn.Linear(10, 4)
            keras_init(self)

        def forward(self, x):
            x = F.leaky_relu(self.stem(x), 0.1)
            x = torch.cat([F.relu(self.point(x))] + [F.relu(c(x)) for c in self.aspp], dim=1)
            x = F.relu(self.project(x))
            x = F.avg_pool2d(x, (3, 2))
            x = F.adaptive_max_pool2d(x, 1).flatten(1)
            return self.head(x)  # logits: cross_entropy has the softmax

    net = ASPPNet()
    return Port(net, loss=cross_entropy, optimizer=optim.Adam(net.parameters(), learning_rate=1e-3))


right_port, faulty_port = ports(_make, (2, 3), (2, 1))
