"""The last block of a VGG has one convolution too few."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import keras_init, nn, ports, torch


def keras_model():
    inputs = keras.Input((24, 16, 3))
    x = inputs
    for filters in (6, 9, 12):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(20, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    outputs = layers.Dense(4)(x)
    model = keras.Model(inputs, outputs, name="mini_vgg")
    model.compile(optimizers.SGD(0.01), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(cfg):
    def make_layers():
        layers, channels = [], 3
        for v in cfg:
            if v == "M":
                layers.append(nn.MaxPool2d(2, 2))
            else:
                layers += [nn.Conv2d(channels, v, 3, padding=1), nn.ReLU(inplace=True)]
                channels = v
        return nn.Sequential(*layers)

    class VGG(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = make_layers()
            self.classifier = nn.Sequential(
                nn.Linear(3 * 2 * 12, 20), nn.ReLU(True), nn.Dropout(0.5), nn.Linear(20, 4)
            )
            keras_init(self)

        def forward(self, x):
            return self.classifier(torch.flatten(self.features(x), 1))

    return VGG()


right_port, faulty_port = ports(
    _make, [6, 6, "M", 9, 9, "M", 12, 12, "M"], [6, 6, "M", 9, 9, "M", 12, "M"]
)
