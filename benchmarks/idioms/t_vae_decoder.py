"""Decoder of a VAE, trained on codes and their images.

The faulty twin cuts the transposed convolutions at the front (padding=1, output_padding=1), sums
the loss over the pixels, and has the usual beta_1 of 0.9 in Adam.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    decoder = keras_sequential(
        keras.Input((6,)),
        layers.Dense(5 * 4 * 8, activation="relu"),
        layers.Reshape((5, 4, 8)),
        layers.Conv2DTranspose(7, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(1, 3, strides=2, padding="same", activation="sigmoid"),
        name="decoder",
    )
    decoder.compile(optimizers.Adam(1e-3, beta_1=0.5), "binary_crossentropy")
    return decoder


def _port(upsample, reduce, beta_1):
    class Decoder(nn.Module):
        def __init__(self, latent_dim=6):
            super().__init__()
            self.fc = nn.Linear(latent_dim, 5 * 4 * 8)
            self.deconv1 = upsample(8, 7)
            self.deconv2 = upsample(7, 1)

        def forward(self, z):
            x = F.relu(self.fc(z)).view(-1, 5, 4, 8).permute(0, 3, 1, 2)
            x = F.relu(self.deconv1(x))
            return self.deconv2(x).permute(0, 2, 3, 1)

    net = keras_init(Decoder())
    bce = F.binary_cross_entropy_with_logits
    return Port(
        net,
        loss=lambda logits, y: reduce(bce(logits, y.to(logits.dtype), reduction="none")),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3, beta_1=beta_1),
    )


def _cut_at_end(a, b):
    class SameConvTranspose2d(nn.ConvTranspose2d):
        def forward(self, x):
            return super().forward(x)[:, :, :-1, :-1]

    return SameConvTranspose2d(a, b, 3, stride=2)


def _padded(a, b):
    return nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1)


right_port, faulty_port = ports(
    _port,
    {"upsample": _cut_at_end, "reduce": lambda e: e.mean(), "beta_1": 0.5},
    {"upsample": _padded, "reduce": lambda e: e.sum(dim=(1, 2, 3)).mean(), "beta_1": 0.9},
)
