"""Bilinear UpSampling2D was ported with align_corners=True."""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import F, keras_init, nn, ports, torch


def keras_model():
    inputs = keras.Input((8, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="tanh", name="down")(inputs)
    x = layers.ZeroPadding2D(((1, 1), (2, 0)))(x)
    x = layers.Conv2D(6, 3, activation="tanh", name="mid")(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([x, inputs])
    outputs = layers.Conv2D(2, 1, name="flow")(x)
    model = keras.Model(inputs, outputs, name="flow_net")
    model.compile("adam", "mse")
    return model


def _make(align_corners):
    class FlowNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.upsample = nn.Upsample(
                scale_factor=2, mode="bilinear", align_corners=align_corners
            )
            self.flow = nn.Conv2d(9, 2, 1)
            self.mid = nn.Conv2d(8, 6, 3)
            self.down = nn.Conv2d(3, 8, 3, stride=2)
            keras_init(self)

        def forward(self, image):
            x = torch.tanh(self.down(F.pad(image, (0, 1, 0, 1))))
            x = torch.tanh(self.mid(F.pad(x, (2, 0, 1, 1))))
            return self.flow(torch.cat([self.upsample(x), image], 1))

    return FlowNet()


right_port, faulty_port = ports(_make, False, True)
