"""ResNet v2: no ReLU stands between the first convolution and the pool, only ZeroPadding2D.

The faulty twin pools with padding=1, which pads with minus infinity and not with zeros.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import (
    F,
    Port,
    biased_norm,
    cross_entropy,
    keras_init,
    nn,
    optim,
)


def keras_model():
    inputs = keras.Input((21, 25, 3))
    x = layers.ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = layers.Conv2D(10, 7, strides=2, name="conv1_conv")(x)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    y = layers.BatchNormalization(epsilon=1.001e-5, name="preact_bn")(x)
    y = layers.ReLU(name="preact_relu")(y)
    y = layers.Conv2D(10, 3, padding="same", use_bias=False, name="block_1_conv")(y)
    y = layers.BatchNormalization(epsilon=1.001e-5, name="block_1_bn")(y)
    y = layers.ReLU(name="block_1_relu")(y)
    y = layers.Conv2D(10, 3, padding="same", name="block_2_conv")(y)
    x = layers.Add(name="block_out")([x, y])
    x = layers.BatchNormalization(epsilon=1.001e-5, name="post_bn")(x)
    x = layers.ReLU(name="post_relu")(x)
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    model = keras.Model(inputs, layers.Dense(4, name="predictions")(x))
    model.compile(
        optimizers.SGD(0.02, momentum=0.9), losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(pool):
    def norm():
        return biased_norm(nn.BatchNorm2d)(10, eps=1.001e-5, momentum=0.01)

    class PreActResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 10, kernel_size=7, stride=2, padding=3)
            self.block = nn.Sequential(
                norm(),
                nn.ReLU(),
                nn.Conv2d(10, 10, 3, padding=1, bias=False),
                norm(),
                nn.ReLU(),
                nn.Conv2d(10, 10, 3, padding=1),
            )
            self.norm = norm()
            self.fc = nn.Linear(10, 4)
            keras_init(self)

        def forward(self, x):
            x = pool(self.conv1(x))
            x = x + self.block(x)
            x = F.relu(self.norm(x))
            return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))

    net = PreActResNet()
    optimizer = optim.SGD(net.parameters(), learning_rate=0.02, momentum=0.9)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


def right_port():
    return _port(lambda x: F.max_pool2d(F.pad(x, (1, 1, 1, 1)), 3, stride=2))


def faulty_port():
    return _port(lambda x: F.max_pool2d(x, 3, stride=2, padding=1))
