"""Global pooling in two spellings: AdaptiveAvgPool2d(1) with flatten, and a mean over (2, 3).

Keras has GlobalAveragePooling2D for the first, and AveragePooling2D over everything with Flatten
for the second. The faulty twin takes the maximum where it should take the mean.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, optim


def keras_model():
    """Two scales, each with its own classifier; the logits are added."""
    img = keras.Input((14, 12, 3))
    fine = layers.Conv2D(8, 3, activation="relu")(img)
    coarse = layers.Conv2D(14, 3, strides=2, activation="relu")(fine)
    a = layers.GlobalAveragePooling2D()(fine)
    a = layers.Dense(7, name="fine_logits")(a)
    b = layers.AveragePooling2D((5, 4))(coarse)
    b = layers.Flatten()(b)
    b = layers.Dense(7, name="coarse_logits")(b)
    model = keras.Model(img, layers.Add()([a, b]))
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(pool_coarse):
    class TwoScales(nn.Module):
        def __init__(self):
            super().__init__()
            self.fine = nn.Conv2d(3, 8, 3)
            self.coarse = nn.Conv2d(8, 14, 3, stride=2)
            self.pool = nn.AdaptiveAvgPool2d(1)
            self.fine_logits = nn.Linear(8, 7)
            self.coarse_logits = nn.Linear(14, 7)
            keras_init(self)

        def forward(self, x):
            fine = F.relu(self.fine(x))
            coarse = F.relu(self.coarse(fine))
            a = self.fine_logits(self.pool(fine).flatten(1))
            return a + self.coarse_logits(pool_coarse(coarse))

    net = TwoScales()
    return Port(net, loss=cross_entropy, optimizer=optim.Adam(net.parameters()))


def right_port():
    """The mean of the coarse scale."""
    return _port(lambda x: x.mean((2, 3)))


def faulty_port():
    """The maximum of the coarse scale."""
    return _port(lambda x: x.amax((2, 3)))
