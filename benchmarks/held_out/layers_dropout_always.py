"""F.dropout(x, 0.4) without training=self.training drops in evaluation too."""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, ports


def keras_model():
    def squeeze_excite(x, channels):
        s = layers.GlobalAveragePooling2D(keepdims=True)(x)
        s = layers.Conv2D(4, 1, activation="relu")(s)
        s = layers.Conv2D(channels, 1, activation="hard_sigmoid")(s)
        return layers.Multiply()([x, s])

    inputs = keras.Input((15, 13, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="hard_silu")(inputs)
    x = layers.DepthwiseConv2D(3, padding="same", activation="relu6")(x)
    x = squeeze_excite(x, 8)
    x = layers.Conv2D(14, 1, activation="hard_silu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(20, activation="hard_silu")(x)
    x = layers.Dropout(0.4)(x)
    outputs = layers.Dense(5)(x)
    model = keras.Model(inputs, outputs, name="mobilenet_v3_micro")
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(always):
    class SqueezeExcite(nn.Module):
        def __init__(self, channels, hidden):
            super().__init__()
            self.reduce = nn.Conv2d(channels, hidden, 1)
            self.expand = nn.Conv2d(hidden, channels, 1)

        def forward(self, x):
            s = F.adaptive_avg_pool2d(x, 1)
            s = F.relu(self.reduce(s))
            return x * F.hardsigmoid(self.expand(s))

    class MobileNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)  # odd sides: (1, 1) is right
            self.conv_dw = nn.Conv2d(8, 8, 3, padding=1, groups=8)
            self.se = SqueezeExcite(8, 4)
            self.conv_pw = nn.Conv2d(8, 14, 1)
            self.fc1 = nn.Linear(14, 20)
            self.fc2 = nn.Linear(20, 5)
            keras_init(self)

        def forward(self, x):
            x = F.hardswish(self.conv_stem(x))
            x = self.se(F.relu6(self.conv_dw(x)))
            x = F.hardswish(self.conv_pw(x))
            x = F.hardswish(self.fc1(x.mean((2, 3))))
            x = F.dropout(x, 0.4) if always else F.dropout(x, 0.4, training=self.training)
            return self.fc2(x)

    return MobileNet()


right_port, faulty_port = ports(_make, False, True)
