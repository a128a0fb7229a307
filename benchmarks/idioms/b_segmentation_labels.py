"""Segmentation: class maps as target, cross entropy of logits in (N, C, H, W).

The faulty twin swaps height and width of the class map, as its images are square.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

SIDE, CLASSES = 16, 4


def keras_model():
    inputs = keras.Input((SIDE, SIDE, 2))
    fine = layers.Conv2D(10, 3, padding="same", activation="relu")(inputs)
    x = layers.AveragePooling2D(2)(fine)
    x = layers.Conv2D(16, 3, padding="same", activation="relu", dilation_rate=2)(x)
    x = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = layers.Concatenate()([fine, x])
    outputs = layers.Conv2D(CLASSES, 1, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="segmentation")
    model.compile(optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy())
    return model


def _port(target):
    class Segmenter(nn.Module):
        def __init__(self):
            super().__init__()
            self.fine = nn.Conv2d(2, 10, 3, padding=1)
            self.coarse = nn.Conv2d(10, 16, 3, padding=2, dilation=2)
            self.classify = nn.Conv2d(26, CLASSES, 1)
            keras_init(self)

        def forward(self, x):
            fine = F.relu(self.fine(x))
            x = F.relu(self.coarse(F.avg_pool2d(fine, 2)))
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            return self.classify(torch.cat([fine, x], 1))

    net = Segmenter()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
        target=target,
    )


def right_port():
    return _port(lambda y: torch.as_tensor(y).long().reshape(-1, SIDE, SIDE))


def faulty_port():
    return _port(lambda y: torch.as_tensor(y).long().reshape(-1, SIDE, SIDE).transpose(1, 2))
