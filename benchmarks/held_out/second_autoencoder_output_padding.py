"""Autoencoder.

ConvTranspose2d(3, stride=2, padding=1, output_padding=1) for a Conv2DTranspose with 'same'.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    def settings(activation="relu"):
        return {"strides": 2, "padding": "same", "activation": activation}

    model = keras_sequential(
        keras.Input((28, 20, 1)),
        layers.Conv2D(12, 3, **settings()),
        layers.Conv2D(20, 3, **settings()),
        layers.Conv2DTranspose(13, 3, **settings()),
        layers.Conv2DTranspose(8, 3, **settings()),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    )
    model.compile("adam", "mse")
    return model


def _autoencoder(crop):
    class UpConv(nn.ConvTranspose2d):
        def __init__(self, cin, cout):
            extra = {} if crop else {"padding": 1, "output_padding": 1}
            super().__init__(cin, cout, 3, stride=2, **extra)

        def forward(self, x):
            y = super().forward(x)
            return y[:, :, :-1, :-1] if crop else y

    class AutoEncoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc1 = nn.Conv2d(1, 12, 3, stride=2)
            self.enc2 = nn.Conv2d(12, 20, 3, stride=2)
            self.dec1 = UpConv(20, 13)
            self.dec2 = UpConv(13, 8)
            self.out = nn.Conv2d(8, 1, 3, padding=1)
            keras_init(self)

        def forward(self, x):
            x = F.relu(self.enc1(F.pad(x, (0, 1, 0, 1))))
            x = F.relu(self.enc2(F.pad(x, (0, 1, 0, 1))))
            x = F.relu(self.dec2(F.relu(self.dec1(x))))
            return self.out(x).sigmoid()

    net = AutoEncoder()
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters()),
        target=lambda y: torch.as_tensor(y).permute(0, 3, 1, 2),
    )


right_port, faulty_port = ports(_autoencoder, True, False)
