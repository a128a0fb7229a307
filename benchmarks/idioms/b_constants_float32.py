"""A Keras layer with constant arrays in float32: mean and deviation of the colours.

The faulty twin has the constants in the order of blue, green, red.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def keras_model():
    ops = keras.ops

    class Standardize(layers.Layer):
        def __init__(self, mean, std, **kwargs):
            super().__init__(trainable=False, **kwargs)
            self.mean = ops.array(mean, dtype="float32")
            self.std = ops.array(std, dtype="float32")

        def call(self, images):
            return ops.divide(ops.subtract(images, self.mean), self.std)

    inputs = keras.Input((20, 15, 3))
    x = Standardize(MEAN, STD, name="standardize")(inputs)
    x = layers.Conv2D(9, 4, strides=2, activation="relu", name="conv_1")(x)
    x = layers.Conv2D(15, 3, strides=1, activation="relu", name="conv_2")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    outputs = layers.Dense(1, name="age")(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizers.SGD(1e-3), loss="mae")
    return model


def _port(mean, std):
    class AgeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))
            self.conv_1 = nn.Conv2d(3, 9, 4, stride=2)
            self.conv_2 = nn.Conv2d(9, 15, 3)
            self.age = nn.Linear(15, 1)

        def forward(self, x):
            x = (x - self.mean) / self.std
            x = F.relu(self.conv_1(x))
            x = F.relu(self.conv_2(x))
            x = F.adaptive_avg_pool2d(x, 1).flatten(1)
            return self.age(x)

    net = keras_init(AgeNet())
    return Port(
        net,
        loss=lambda out, y: (out - y.reshape(out.shape)).abs().mean(),
        optimizer=torch.optim.SGD(net.parameters(), lr=1e-3),
    )


def right_port():
    return _port(MEAN, STD)


def faulty_port():
    return _port(MEAN[::-1], STD[::-1])
