"""UpSampling2D is repeat_interleave once, and a broadcast over two new axes the other time.

The faulty twin tiles the map with repeat(1, 1, 2, 2) instead of repeating each pixel.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    """A mask of an image, through a bottleneck of a quarter of its size."""
    model = keras_sequential(
        keras.Input((12, 16, 2)),
        layers.Conv2D(6, 3, padding="same", activation="elu"),
        layers.MaxPooling2D(4),
        layers.Conv2D(10, 3, padding="same", activation="elu"),
        layers.UpSampling2D(2),
        layers.Conv2D(6, 3, padding="same", activation="elu"),
        layers.UpSampling2D(2),
        layers.Conv2D(1, 1),
    )
    model.compile(keras.optimizers.SGD(0.1), losses.BinaryCrossentropy(from_logits=True))
    return model


def upsample_broadcast(x, k):
    """Returns x with every pixel k times k times, by broadcasting."""
    n, c, h, w = x.shape
    x = x[:, :, :, None, :, None].expand(n, c, h, k, w, k)
    return x.reshape(n, c, h * k, w * k)


def _masks(upsample):
    class MaskNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Conv2d(2, 6, 3, padding=1)
            self.mid = nn.Conv2d(6, 10, 3, padding=1)
            self.dec = nn.Conv2d(10, 6, 3, padding=1)
            self.mask = nn.Conv2d(6, 1, 1)

        def forward(self, x):
            x = F.max_pool2d(F.elu(self.enc(x)), 4)
            x = F.elu(self.mid(x))
            x = upsample(x)
            x = F.elu(self.dec(x))
            x = upsample_broadcast(x, 2)
            return self.mask(x).squeeze(1)

    net = keras_init(MaskNet())
    return Port(
        net,
        loss=lambda logits, y: F.binary_cross_entropy_with_logits(logits, y.squeeze(-1)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    )


def right_port():
    """Each row and each column twice."""
    return _masks(lambda x: x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


def faulty_port():
    """The map twice in both directions."""
    return _masks(lambda x: x.repeat(1, 1, 2, 2))
