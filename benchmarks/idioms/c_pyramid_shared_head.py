"""Feature pyramid with two levels, and one head that is shared by both, as in RetinaNet.

The faulty twin makes a head for each level.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, torch


def keras_model():
    head = keras_sequential(
        keras.Input((None, None, 10)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(2, 3, padding="same"),
        layers.Reshape((-1, 2)),
        name="head",
    )
    image = keras.Input((16, 24, 1))
    c3 = layers.Conv2D(10, 4, strides=4, activation="relu", name="c3")(image)
    c4 = layers.Conv2D(10, 2, strides=2, activation="relu", name="c4")(c3)
    p3 = layers.Add(name="p3")([c3, layers.UpSampling2D(2)(c4)])
    boxes = layers.Concatenate(axis=1)([head(p3), head(c4)])
    model = keras.Model(image, boxes, name="retina")
    model.compile(optimizers.Adagrad(0.02), losses.BinaryCrossentropy(from_logits=True))
    return model


def _port(make_heads):
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(10, 8, 3, padding=1)
            self.logits = nn.Conv2d(8, 2, 3, padding=1)

        def forward(self, x):
            x = self.logits(F.relu(self.conv(x)))
            return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, 2)

    class Retina(nn.Module):
        def __init__(self):
            super().__init__()
            self.c3 = nn.Conv2d(1, 10, 4, stride=4)
            self.c4 = nn.Conv2d(10, 10, 2, stride=2)
            self.heads = nn.ModuleList(make_heads(Head))

        def forward(self, x):
            c3 = F.relu(self.c3(x))
            c4 = F.relu(self.c4(c3))
            p3 = c3 + F.interpolate(c4, scale_factor=2, mode="nearest")
            levels = [head(p) for head, p in zip(self.heads, (p3, c4), strict=True)]
            return torch.cat(levels, dim=1)

    net = keras_init(Retina())
    return Port(
        net,
        loss=lambda x, y: F.binary_cross_entropy_with_logits(x, y.to(x.dtype).reshape(x.shape)),
        optimizer=optim.Adagrad(net.parameters(), learning_rate=0.02),
    )


def right_port():
    return _port(lambda head: [head()] * 2)


def faulty_port():
    return _port(lambda head: [head() for _ in range(2)])
