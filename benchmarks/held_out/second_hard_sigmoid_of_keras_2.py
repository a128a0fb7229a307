"""Inverted residual with squeeze-excite.

The port has hard_sigmoid as in Keras 2, clip(0.2 x + 0.5), not relu6(x + 3) / 6.
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, keras_init, nn, torch


def keras_model():
    inputs = keras.Input((24, 20, 3))
    x = layers.Conv2D(16, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = skip = layers.ReLU(6.0)(x)
    x = layers.Conv2D(48, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    x = layers.DepthwiseConv2D(5, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU(6.0)(x)
    s = layers.GlobalAveragePooling2D(keepdims=True)(x)
    s = layers.Conv2D(12, 1, activation="relu")(s)
    s = layers.Conv2D(48, 1, activation="hard_sigmoid")(s)
    x = layers.Multiply()([x, s])
    x = layers.Conv2D(16, 1, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([skip, x])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(6)(x))
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _net(gate):
    from collections import OrderedDict

    from torch_impl.layers import BatchNormalization

    def conv_bn_act(cin, cout, k, groups=1, act=True):
        parts = [
            ("conv", nn.Conv2d(cin, cout, k, padding=k // 2, groups=groups, bias=False)),
            ("bn", BatchNormalization(cout)),
        ]
        return nn.Sequential(OrderedDict(parts + ([("act", nn.ReLU6())] if act else [])))

    class SqueezeExcite(nn.Module):
        def __init__(self, channels, reduced):
            super().__init__()
            # registered in the reverse order of the calls
            self.expand = nn.Conv2d(reduced, channels, 1)
            self.reduce = nn.Conv2d(channels, reduced, 1)

        def forward(self, x):
            s = x.mean((2, 3), keepdim=True)
            s = F.relu(self.reduce(s))
            return x * gate(self.expand(s))

    class MBConv(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = conv_bn_act(3, 16, 3)
            self.block = nn.Sequential(
                conv_bn_act(16, 48, 1),
                conv_bn_act(48, 48, 5, groups=48),
                SqueezeExcite(48, 12),
                conv_bn_act(48, 16, 1, act=False),
            )
            self.fc = nn.Linear(16, 6)
            keras_init(self)

        def forward(self, x):
            x = self.stem(x)
            x = x + self.block(x)
            return self.fc(x.mean((2, 3)))

    return MBConv()


def right_port():
    return _net(F.hardsigmoid)


def faulty_port():
    return _net(lambda x: torch.clamp(0.2 * x + 0.5, 0.0, 1.0))
