"""DenseNet.

The port adds the L2 penalty for all parameters, with biases, gammas and betas, not only for the
kernels.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers, regularizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    def conv(x, filters, size):
        return layers.Conv2D(
            filters,
            size,
            padding="same",
            use_bias=False,
            kernel_regularizer=regularizers.L2(3e-4),
        )(x)

    def bn_relu(x):
        return layers.ReLU()(layers.BatchNormalization(epsilon=1.001e-5)(x))

    def dense_block(x, growth, count):
        for _ in range(count):
            y = conv(bn_relu(x), 2 * growth, 1)
            y = conv(bn_relu(y), growth, 3)
            x = layers.Concatenate()([x, y])
        return x

    inputs = keras.Input((20, 24, 3))
    x = conv(inputs, 10, 3)
    x = dense_block(x, 7, 2)
    x = conv(bn_relu(x), 12, 1)
    x = layers.AveragePooling2D(2)(x)
    x = dense_block(x, 7, 2)
    x = layers.GlobalAveragePooling2D()(bn_relu(x))
    outputs = layers.Dense(5, kernel_regularizer=regularizers.L2(3e-4))(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizers.SGD(0.1, momentum=0.9, nesterov=True),
        losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(is_penalised):
    from torch_impl.layers import BatchNormalization

    def bn(channels):
        return BatchNormalization(channels, epsilon=1.001e-5)

    class DenseLayer(nn.Module):
        def __init__(self, cin, growth):
            super().__init__()
            self.norm1 = bn(cin)
            self.conv1 = nn.Conv2d(cin, 2 * growth, 1, bias=False)
            self.norm2 = bn(2 * growth)
            self.conv2 = nn.Conv2d(2 * growth, growth, 3, padding=1, bias=False)

        def forward(self, x):
            y = self.conv1(F.relu(self.norm1(x)))
            y = self.conv2(F.relu(self.norm2(y)))
            return torch.cat([x, y], 1)

    class DenseNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential()
            self.features.add_module("conv0", nn.Conv2d(3, 10, 3, padding=1, bias=False))
            self.features.add_module("block1", nn.Sequential(DenseLayer(10, 7), DenseLayer(17, 7)))
            transition = nn.Sequential(
                bn(24), nn.ReLU(), nn.Conv2d(24, 12, 1, bias=False), nn.AvgPool2d(2, 2)
            )
            self.features.add_module("transition1", transition)
            self.features.add_module("block2", nn.Sequential(DenseLayer(12, 7), DenseLayer(19, 7)))
            self.features.add_module("norm5", bn(26))
            self.classifier = nn.Linear(26, 5)
            keras_init(self)

        def forward(self, x):
            x = F.relu(self.features(x))
            return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))

    net = DenseNet()

    def loss(logits, y):
        penalty = sum(p.pow(2).sum() for p in net.parameters() if is_penalised(p))
        return F.cross_entropy(logits, y.to(logits.dtype)) + 3e-4 * penalty

    optimizer = optim.SGD(net.parameters(), learning_rate=0.1, momentum=0.9, nesterov=True)
    return Port(net, loss=loss, optimizer=optimizer)


right_port, faulty_port = ports(_port, lambda p: p.dim() > 1, lambda p: True)
