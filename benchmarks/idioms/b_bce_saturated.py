"""A steep sigmoid, whose values reach 0 and 1: Keras clips them at 1e-7 in the loss.

The faulty twin takes F.binary_cross_entropy, which has another limit: no logarithm is below -100.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

SHARPNESS = 60.0


def keras_model():
    inputs = keras.Input((10, 14, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(1, 1)(x)
    x = layers.Rescaling(SHARPNESS)(x)
    x = layers.Activation("sigmoid")(x)
    mask = layers.Reshape((10 * 14,))(x)
    model = keras.Model(inputs, mask, name="hard_mask")
    model.compile(optimizers.SGD(1e-3), losses.BinaryCrossentropy())
    return model


def _port(loss):
    class HardMask(nn.Module):
        def __init__(self, sharpness):
            super().__init__()
            self.sharpness = sharpness
            self.features = nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1),
                nn.ReLU(),
                nn.Conv2d(16, 8, 3, padding=1),
                nn.ReLU(),
            )
            self.score = nn.Conv2d(8, 1, 1)

        def forward(self, x):
            s = self.score(self.features(x))
            return torch.sigmoid(self.sharpness * s).flatten(1)

    net = keras_init(HardMask(SHARPNESS))
    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=1e-3))


def right_port():
    def bce(p, y, eps=1e-7):
        p = p.clamp(eps, 1 - eps)
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()

    return _port(bce)


def faulty_port():
    return _port(lambda p, y: F.binary_cross_entropy(p, y.to(p.dtype)))
