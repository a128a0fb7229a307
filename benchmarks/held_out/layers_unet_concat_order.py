"""A decoder stage of a U-Net joins (upsampled, skip); Keras has (skip, upsampled).

Both have 12 channels.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    def double_conv(x, filters, name):
        x = layers.Conv2D(filters, 3, padding="same", activation="leaky_relu", name=f"{name}_a")(x)
        return layers.Conv2D(filters, 3, padding="same", activation="leaky_relu", name=f"{name}_b")(
            x
        )

    inputs = keras.Input((16, 24, 2))
    s1 = double_conv(inputs, 6, "down1")
    s2 = double_conv(layers.MaxPooling2D()(s1), 12, "down2")
    x = double_conv(layers.MaxPooling2D()(s2), 16, "bottom")
    x = layers.Conv2DTranspose(12, 2, strides=2, padding="same", name="up2")(x)
    x = layers.Concatenate()([s2, x])
    x = double_conv(x, 12, "merge2")
    x = layers.Conv2DTranspose(6, 2, strides=2, padding="same", name="up1")(x)
    x = layers.Concatenate()([s1, x])
    x = double_conv(x, 6, "merge1")
    outputs = layers.Conv2D(1, 1, name="mask")(x)
    model = keras.Model(inputs, outputs, name="unet")
    model.compile("adam", losses.BinaryCrossentropy(from_logits=True))
    return model


def _make(swapped):
    class DoubleConv(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.conv1 = nn.Conv2d(a, b, 3, padding=1)
            self.conv2 = nn.Conv2d(b, b, 3, padding=1)

        def forward(self, x):
            # activation="leaky_relu" has slope .2 in Keras 3, unlike the layer
            return F.leaky_relu(self.conv2(F.leaky_relu(self.conv1(x), 0.2)), 0.2)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1 = DoubleConv(2, 6)
            self.down2 = DoubleConv(6, 12)
            self.bottom = DoubleConv(12, 16)
            self.up1 = nn.ConvTranspose2d(12, 6, 2, stride=2)
            self.up2 = nn.ConvTranspose2d(16, 12, 2, stride=2)
            self.merge1 = DoubleConv(12, 6)
            self.merge2 = DoubleConv(24, 12)
            self.mask = nn.Conv2d(6, 1, 1)
            self.pool = nn.MaxPool2d(2)
            keras_init(self)

        def forward(self, x):
            s1 = self.down1(x)
            s2 = self.down2(self.pool(s1))
            x = self.up2(self.bottom(self.pool(s2)))
            x = torch.cat([x, s2] if swapped else [s2, x], dim=1)
            x = self.up1(self.merge2(x))
            x = torch.cat([s1, x], dim=1)
            return self.mask(self.merge1(x))

    return UNet()


right_port, faulty_port = ports(_make, False, True)
