"""A 'same' Conv2DTranspose got padding=1 and output_padding=1: one pixel off."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    encoder = keras_sequential(
        keras.Input((12, 20, 1)),
        layers.Conv2D(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        name="encoder",
    )
    decoder = keras_sequential(
        keras.Input((3, 5, 16)),
        layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(4, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        name="decoder",
    )
    image = keras.Input((12, 20, 1))
    model = keras.Model(image, decoder(encoder(image)), name="autoencoder")
    model.compile("adam", "mse")
    return model


def _make(usual_recipe):
    class Up(nn.ConvTranspose2d):
        """Keras crops the surplus at the bottom and at the right."""

        def forward(self, x):
            return super().forward(x)[:, :, :-1, :-1]

    def up(a, b):
        if usual_recipe:
            return nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)
        return Up(a, b, 3, stride=2)

    class Autoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc1 = nn.Conv2d(1, 8, 3, stride=2)
            self.enc2 = nn.Conv2d(8, 16, 3, stride=2)
            self.dec1 = up(16, 8)
            self.dec2 = up(8, 4)
            self.out = nn.Conv2d(4, 1, 3, padding=1)
            keras_init(self)

        def forward(self, x):
            x = F.relu(self.enc1(F.pad(x, (0, 1, 0, 1))))
            x = F.relu(self.enc2(F.pad(x, (0, 1, 0, 1))))
            x = F.relu(self.dec1(x))
            x = F.relu(self.dec2(x))
            return torch.sigmoid(self.out(x))

    return Autoencoder()


right_port, faulty_port = ports(_make, False, True)
