"""SqueezeNet with two fire modules and a convolution as its classifier.

The faulty twin has the ceil_mode=True of torchvision; the Keras model pools with "valid".
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, ports, torch


def keras_model():
    def fire(x, squeeze, expand, fire_id):
        name = f"fire{fire_id}_"
        x = layers.Conv2D(squeeze, 1, activation="relu", name=name + "squeeze1x1")(x)
        left = layers.Conv2D(expand, 1, activation="relu", name=name + "expand1x1")(x)
        right = layers.Conv2D(
            expand, 3, padding="same", activation="relu", name=name + "expand3x3"
        )(x)
        return layers.Concatenate(name=name + "concat")([left, right])

    inputs = keras.Input((29, 25, 2))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="conv1")(inputs)
    x = layers.MaxPooling2D(3, strides=2, name="pool1")(x)
    x = fire(x, 4, 6, 2)
    x = fire(x, 5, 7, 3)
    x = layers.Dropout(0.3, name="drop9")(x)
    x = layers.Conv2D(6, 1, activation="relu", name="conv10")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, x, name="squeezenet")
    model.compile(optimizers.SGD(0.04), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(ceil_mode):
    class Fire(nn.Module):
        def __init__(self, inplanes, squeeze_planes, expand_planes):
            super().__init__()
            self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
            self.expand1x1 = nn.Conv2d(squeeze_planes, expand_planes, kernel_size=1)
            self.expand3x3 = nn.Conv2d(squeeze_planes, expand_planes, kernel_size=3, padding=1)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.relu(self.squeeze(x))
            return torch.cat([self.relu(self.expand1x1(x)), self.relu(self.expand3x3(x))], 1)

    features = nn.Sequential(
        nn.Conv2d(2, 8, kernel_size=3, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=ceil_mode),
        Fire(8, 4, 6),
        Fire(12, 5, 7),
    )
    classifier = nn.Sequential(
        nn.Dropout(p=0.3),
        nn.Conv2d(14, 6, kernel_size=1),
        nn.ReLU(inplace=True),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )
    net = keras_init(nn.Sequential(features, classifier))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.04)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


right_port, faulty_port = ports(_port, False, True)
