"""The projection of a pre-activation ResNet reads the raw input of its block.

In Keras it reads that input after batch normalisation and ReLU.
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
    ports,
)


def keras_model():
    def bn_relu(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    def conv(x, filters, k, strides=1):
        return layers.Conv2D(filters, k, strides=strides, padding="same", use_bias=False)(x)

    def block(x, filters, strides):
        pre = bn_relu(x)
        shortcut = conv(pre, filters, 1, strides) if strides > 1 else x
        y = conv(pre, filters, 3, strides)
        y = conv(bn_relu(y), filters, 3)
        return layers.Add()([shortcut, y])

    inputs = keras.Input((12, 16, 3))
    x = conv(inputs, 8, 3)
    x = block(x, 8, 1)
    x = block(x, 14, 2)
    x = bn_relu(x)
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(5)(x)
    model = keras.Model(inputs, outputs, name="preact_resnet")
    model.compile(
        optimizers.SGD(0.05, momentum=0.9, nesterov=True),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _make(raw_shortcut):
    def norm(channels):
        return biased_norm(nn.BatchNorm2d)(channels, eps=1e-3, momentum=0.01)

    class PreActBlock(nn.Module):
        def __init__(self, a, b, stride):
            super().__init__()
            self.stride = stride
            self.bn1 = norm(a)
            self.conv1 = nn.Conv2d(a, b, 3, stride, padding=1 if stride == 1 else 0, bias=False)
            self.bn2 = norm(b)
            self.conv2 = nn.Conv2d(b, b, 3, padding=1, bias=False)
            self.shortcut = nn.Conv2d(a, b, 1, stride, bias=False) if stride > 1 else None

        def forward(self, x):
            pre = F.relu(self.bn1(x))
            skip = x
            if self.shortcut is not None:
                skip = self.shortcut(x if raw_shortcut else pre)
            y = F.pad(pre, (0, 1, 0, 1)) if self.stride > 1 else pre
            y = self.conv2(F.relu(self.bn2(self.conv1(y))))
            return skip + y

    class PreActResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.layer1 = PreActBlock(8, 8, 1)
            self.layer2 = PreActBlock(8, 14, 2)
            self.bn = norm(14)
            self.linear = nn.Linear(14, 5)
            keras_init(self)

        def forward(self, x):
            x = self.layer2(self.layer1(self.stem(x)))
            x = F.relu(self.bn(x)).mean((2, 3))
            return self.linear(x)

    net = PreActResNet()
    return Port(
        net,
        loss=cross_entropy,
        optimizer=optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.9, nesterov=True),
    )


right_port, faulty_port = ports(_make, False, True)
