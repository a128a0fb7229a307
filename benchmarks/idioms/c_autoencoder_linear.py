"""Denoising autoencoder of a tutorial, trained with the mean absolute error.

The faulty twin has no sigmoid at its output.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim


def keras_model():
    model = keras_sequential(
        keras.Input((12, 16, 1)),
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2D(6, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(2, padding="same"),
        layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        name="autoencoder",
    )
    model.compile(optimizers.Nadam(2e-3), "mae")
    return model


def _port(*last):
    class Up(nn.ConvTranspose2d):
        """Doubles both sides; "same" in Keras cuts one row and one column at the end."""

        def forward(self, x):
            return super().forward(x)[..., :-1, :-1]

    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(True),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 6, 3, padding=1),
        nn.ReLU(True),
        nn.MaxPool2d(2),
    )
    decoder = nn.Sequential(
        Up(6, 6, 3, stride=2),
        nn.ReLU(True),
        Up(6, 8, 3, stride=2),
        nn.ReLU(True),
        nn.Conv2d(8, 1, 3, padding=1),
        *last,
    )
    net = keras_init(nn.Sequential(encoder, decoder))
    return Port(
        net,
        loss=nn.L1Loss(),
        optimizer=optim.Nadam(net.parameters(), learning_rate=2e-3),
        target=_images,
    )


def _images(y):
    import torch

    return torch.as_tensor(y).permute(0, 3, 1, 2)


def right_port():
    return _port(nn.Sigmoid())


def faulty_port():
    return _port()
