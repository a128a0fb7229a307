"""Small residual net with identity shortcuts and Keras's default initialisers.

The faulty twin draws kaiming_uniform_ weights, as one does in front of a ReLU.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, nn, optim


def keras_model():
    def residual_block(x, filters):
        y = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        y = layers.Conv2D(filters, 3, padding="same")(y)
        return layers.Activation("relu")(layers.add([y, x]))

    inputs = keras.Input((12, 14, 3))
    x = layers.Conv2D(16, 3, padding="same", activation="relu")(inputs)
    x = residual_block(x, 16)
    x = layers.MaxPooling2D(2)(x)
    x = residual_block(x, 16)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(32, activation="relu")(x)
    outputs = layers.Dense(10, activation="softmax")(x)
    model = keras.Model(inputs, outputs, name="cifar_resnet")
    model.compile(
        optimizers.SGD(0.01, momentum=0.9, nesterov=True), "sparse_categorical_crossentropy"
    )
    return model


def _port(init):
    class BasicBlock(nn.Module):
        def __init__(self, planes):
            super().__init__()
            self.conv1 = nn.Conv2d(planes, planes, 3, padding=1)
            self.conv2 = nn.Conv2d(planes, planes, 3, padding=1)

        def forward(self, x):
            out = F.relu(self.conv1(x))
            out = self.conv2(out)
            out += x
            return F.relu(out)

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 16, 3, padding=1)
            self.layer1 = BasicBlock(16)
            self.pool = nn.MaxPool2d(2)
            self.layer2 = BasicBlock(16)
            self.fc = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 10))
            self._init_weights()

        def _init_weights(self):
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    init(m.weight)
                    nn.init.constant_(m.bias, 0)

        def forward(self, x):
            x = F.relu(self.stem(x))
            x = self.layer2(self.pool(self.layer1(x)))
            x = F.avg_pool2d(x, x.shape[2:]).flatten(1)
            return self.fc(x)

    net = ResNet()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.01, momentum=0.9, nesterov=True)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


def right_port():
    return _port(lambda w: nn.init.xavier_uniform_(w))


def faulty_port():
    return _port(lambda w: nn.init.kaiming_uniform_(w, nonlinearity="relu"))
