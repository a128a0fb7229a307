"""Stochastic depth: Dropout with noise_shape in Keras, the usual hand-written drop_path in torch.

The faulty twin does not divide by the probability of keeping a branch.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

RATES = (0.2, 0.35, 0.5)


def keras_model():
    inputs = keras.Input((18, 14, 2))
    x = layers.Conv2D(14, 3, padding="same", activation="relu")(inputs)
    for rate in RATES:
        shortcut = x
        x = layers.Conv2D(14, 3, padding="same", activation="relu")(x)
        x = layers.Conv2D(14, 3, padding="same")(x)
        x = layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(x)
        x = layers.ReLU()(layers.Add()([shortcut, x]))
    x = layers.GlobalMaxPooling2D()(x)
    model = keras.Model(inputs, layers.Dense(3)(x), name="stochastic_depth")
    model.compile(optimizers.SGD(0.02), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _drop_path(x, drop_prob, training, scale_by_keep):
    if drop_prob == 0.0 or not training:
        return x
    keep_prob = 1 - drop_prob
    shape = (x.shape[0],) + (1,) * (x.ndim - 1)
    random_tensor = x.new_empty(shape).bernoulli_(keep_prob)
    if scale_by_keep:
        random_tensor.div_(keep_prob)
    return x * random_tensor


def _port(scale_by_keep):
    class DropPath(nn.Module):
        def __init__(self, drop_prob):
            super().__init__()
            self.drop_prob = drop_prob

        def forward(self, x):
            return _drop_path(x, self.drop_prob, self.training, scale_by_keep)

    class Residual(nn.Module):
        def __init__(self, ch, rate):
            super().__init__()
            self.conv1 = nn.Conv2d(ch, ch, 3, 1, 1)
            self.conv2 = nn.Conv2d(ch, ch, 3, 1, 1)
            self.drop_path = DropPath(rate)

        def forward(self, x):
            y = self.conv2(F.relu(self.conv1(x)))
            return F.relu(x + self.drop_path(y))

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(2, 14, 3, 1, 1)
            self.layers = nn.ModuleList(Residual(14, rate) for rate in RATES)
            self.fc = nn.Linear(14, 3)

        def forward(self, x):
            x = F.relu(self.stem(x))
            for layer in self.layers:
                x = layer(x)
            return self.fc(x.amax(dim=(2, 3)))

    net = keras_init(ResNet())
    return Port(
        net,
        loss=lambda logits, y: F.cross_entropy(logits, y.long().reshape(-1)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.02),
    )


def right_port():
    return _port(scale_by_keep=True)


def faulty_port():
    return _port(scale_by_keep=False)
