"""Small U-Net that upsamples bilinearly and predicts a mask.

The faulty twin aligns corners, forgets the label smoothing, and forgets Nesterov's momentum.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    image = keras.Input((16, 12, 2))
    skip = layers.Conv2D(6, 3, padding="same", activation="relu", name="enc")(image)
    x = layers.MaxPooling2D()(skip)
    x = layers.Conv2D(10, 3, padding="same", activation="relu", name="mid")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, skip])
    x = layers.Conv2D(7, 3, padding="same", activation="relu", name="dec")(x)
    mask = layers.Conv2D(1, 1, activation="sigmoid", name="mask")(x)
    model = keras.Model(image, mask)
    model.compile(
        optimizers.SGD(0.03, momentum=0.9, nesterov=True),
        losses.BinaryCrossentropy(label_smoothing=0.1),
    )
    return model


def _port(align_corners, smoothing, **momentum):
    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Conv2d(2, 6, 3, padding=1)
            self.mid = nn.Conv2d(6, 10, 3, padding=1)
            self.up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=align_corners)
            self.dec = nn.Conv2d(16, 7, 3, padding=1)
            self.mask = nn.Conv2d(7, 1, 1)

        def forward(self, x):
            skip = F.relu(self.enc(x))
            x = F.relu(self.mid(F.max_pool2d(skip, 2)))
            x = F.relu(self.dec(torch.cat([self.up(x), skip], dim=1)))
            return self.mask(x)

    def bce(logits, y):
        # Keras takes the logits from behind the sigmoid as well
        return F.binary_cross_entropy_with_logits(logits, y * (1 - smoothing) + 0.5 * smoothing)

    net = keras_init(UNet())
    return Port(
        net,
        loss=bce,
        optimizer=optim.SGD(net.parameters(), learning_rate=0.03, **momentum),
        target=lambda y: torch.as_tensor(y).movedim(-1, 1).to(next(net.parameters()).dtype),
    )


right_port, faulty_port = ports(
    _port,
    {"align_corners": False, "smoothing": 0.1, "momentum": 0.9, "nesterov": True},
    {"align_corners": True, "smoothing": 0.0, "momentum": 0.9},
)
