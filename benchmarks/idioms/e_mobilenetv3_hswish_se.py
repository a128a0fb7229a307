"""A MobileNetV3 bottleneck (hard swish, squeeze and excitation with a hard sigmoid),.

Trained by RMSprop.

Style: d-li14's mobilenetv3: own h_sigmoid / h_swish modules over ReLU6, SELayer with two Linear
layers and views, nn.Sequential of everything. The twin's mistake: torch.optim.RMSprop with Keras's
numbers, which adds epsilon to the root and not under it.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.Activation("hard_swish")(layers.BatchNormalization()(x))
    y = layers.Conv2D(16, 1, use_bias=False)(x)
    y = layers.Activation("hard_swish")(layers.BatchNormalization()(y))
    y = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    s = layers.GlobalAveragePooling2D()(y)
    s = layers.Dense(4, activation="relu")(s)
    s = layers.Dense(16, activation="hard_sigmoid")(s)
    y = layers.Multiply()([y, layers.Reshape((1, 1, 16))(s)])
    y = layers.Activation("hard_swish")(y)
    y = layers.BatchNormalization()(layers.Conv2D(8, 1, use_bias=False)(y))
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    model.compile(
        keras.optimizers.RMSprop(2e-3, rho=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(make_optimizer):
    import torch
    from torch import nn

    from torch_impl import Port, optim
    from torch_impl.layers import BatchNormalization

    class h_sigmoid(nn.Module):
        def __init__(self, inplace=True):
            super().__init__()
            self.relu = nn.ReLU6(inplace=inplace)

        def forward(self, x):
            return self.relu(x + 3) / 6

    class h_swish(nn.Module):
        def __init__(self, inplace=True):
            super().__init__()
            self.sigmoid = h_sigmoid(inplace=inplace)

        def forward(self, x):
            return x * self.sigmoid(x)

    class SELayer(nn.Module):
        def __init__(self, channel, reduction=4):
            super().__init__()
            self.avg_pool = nn.AdaptiveAvgPool2d(1)
            self.fc = nn.Sequential(
                nn.Linear(channel, channel // reduction),
                nn.ReLU(inplace=True),
                nn.Linear(channel // reduction, channel),
                h_sigmoid(),
            )

        def forward(self, x):
            b, c, _, _ = x.size()
            y = self.avg_pool(x).view(b, c)
            return x * self.fc(y).view(b, c, 1, 1)

    class InvertedResidual(nn.Module):
        def __init__(self, inp, hidden):
            super().__init__()
            self.conv = nn.Sequential(
                nn.Conv2d(inp, hidden, 1, 1, 0, bias=False),
                BatchNormalization(hidden),
                h_swish(),
                nn.Conv2d(hidden, hidden, 3, 1, 1, groups=hidden, bias=False),
                BatchNormalization(hidden),
                SELayer(hidden),
                h_swish(),
                nn.Conv2d(hidden, inp, 1, 1, 0, bias=False),
                BatchNormalization(inp),
            )

        def forward(self, x):
            return x + self.conv(x)

    class MobileNetV3(nn.Module):
        def __init__(self, num_classes=5):
            super().__init__()
            self.features = nn.Sequential(
                nn.ZeroPad2d((0, 1, 0, 1)),
                nn.Sequential(
                    nn.Conv2d(3, 8, 3, 2, 0, bias=False), BatchNormalization(8), h_swish()
                ),
                InvertedResidual(8, 16),
            )
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.classifier = nn.Linear(8, num_classes)
            self._initialize_weights()

        def forward(self, x):
            x = self.avgpool(self.features(x))
            return self.classifier(x.view(x.size(0), -1))

        def _initialize_weights(self):
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
                    if m.bias is not None:
                        m.bias.data.zero_()

    net = MobileNetV3()
    criterion = nn.CrossEntropyLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view(-1).long()),
        optimizer=make_optimizer(torch.optim, optim, net.parameters()),
    )


def right_port():
    return _port(lambda theirs, ours, params: ours.RMSprop(params, learning_rate=2e-3, rho=0.9))


def faulty_port():
    return _port(lambda theirs, ours, params: theirs.RMSprop(params, lr=2e-3, alpha=0.9, eps=1e-7))
