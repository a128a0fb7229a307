"""U-Net: the decoder concatenates (up, skip), the Keras model (skip, up)."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import keras_init, nn, ports, torch


def keras_model():
    def double(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        return x

    inputs = keras.Input((32, 24, 2))
    d1 = double(inputs, 8)
    d2 = double(layers.MaxPooling2D()(d1), 16)
    x = double(layers.MaxPooling2D()(d2), 32)
    for skip, filters in ((d2, 16), (d1, 8)):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = layers.Concatenate()([skip, x])
        x = double(x, filters)
    model = keras.Model(inputs, layers.Conv2D(1, 1, activation="sigmoid")(x))
    model.compile(optimizers.Adam(1e-4), "binary_crossentropy")
    return model


def _unet(skip_first):
    class DoubleConv(nn.Sequential):
        def __init__(self, cin, cout):
            super().__init__(
                nn.Conv2d(cin, cout, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(cout, cout, 3, padding=1),
                nn.ReLU(),
            )

    class Up(nn.Module):
        def __init__(self, cin, cout):
            super().__init__()
            self.up = nn.ConvTranspose2d(cin, cout, kernel_size=2, stride=2)
            self.conv = DoubleConv(2 * cout, cout)

        def forward(self, x, skip):
            x = self.up(x)
            return self.conv(torch.cat([skip, x] if skip_first else [x, skip], dim=1))

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.inc = DoubleConv(2, 8)
            self.down1 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(8, 16))
            self.down2 = nn.Sequential(nn.MaxPool2d(2), DoubleConv(16, 32))
            self.up1 = Up(32, 16)
            self.up2 = Up(16, 8)
            self.outc = nn.Conv2d(8, 1, 1)
            keras_init(self)

        def forward(self, x):
            x1 = self.inc(x)
            x2 = self.down1(x1)
            x3 = self.down2(x2)
            return torch.sigmoid(self.outc(self.up2(self.up1(x3, x2), x1)))

    return UNet()


right_port, faulty_port = ports(_unet, True, False)
