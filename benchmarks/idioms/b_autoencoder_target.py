"""Autoencoder of images: the port keeps (N, C, H, W) and permutes the target with `target`.

The faulty twin reshapes the target, which mixes rows and channels.
"""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import Port, nn, optim, torch, torch_sequential


def keras_model():
    image = keras.Input((16, 24, 3), name="image")
    x = layers.Conv2D(12, 3, strides=2, padding="valid", activation="relu")(image)
    x = layers.Conv2D(6, 3, activation="relu", name="code")(x)
    x = layers.UpSampling2D((3, 3))(x)
    x = layers.Conv2D(12, (4, 2), activation="relu")(x)
    x = layers.Conv2D(3, (1, 3), padding="same", activation="sigmoid", name="again")(x)
    x = layers.ZeroPadding2D(((2, 2), (0, 0)))(x)
    x = layers.Cropping2D(((0, 0), (1, 1)))(x)
    model = keras.Model(image, x, name="autoencoder")
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
    return model


def _port(target):
    encoder = [
        nn.Conv2d(3, 12, 3, stride=2),
        nn.ReLU(True),
        nn.Conv2d(12, 6, 3),
        nn.ReLU(True),
    ]
    decoder = [
        nn.Upsample(scale_factor=3),
        nn.Conv2d(6, 12, (4, 2)),
        nn.ReLU(True),
        nn.Conv2d(12, 3, (1, 3), padding=(0, 1)),
        nn.Sigmoid(),
        nn.ZeroPad2d((-1, -1, 2, 2)),
    ]
    net = torch_sequential(*encoder, *decoder)
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        target=target,
    )


def right_port():
    return _port(lambda y: torch.from_numpy(y).permute(0, 3, 1, 2))


def faulty_port():
    def reshaped(y):
        n, h, w, c = y.shape
        return torch.from_numpy(y).reshape(n, c, h, w)

    return _port(reshaped)
