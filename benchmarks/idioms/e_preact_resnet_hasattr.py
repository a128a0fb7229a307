"""A pre-activation ResNet for small images (ResNet v2 of the Keras examples,.

Kuangliu's PreActBlock in PyTorch).

Style: the block has a shortcut only if it needs one (hasattr), F.relu calls, avg_pool2d and view at
the end; the asymmetric padding of strided convolutions is done by F.pad. The twin's mistake: the
projection shortcut gets the raw input of the block instead of the normalised and activated one.
"""


def keras_model():
    import keras
    from keras import layers

    def bn_relu(x):
        return layers.ReLU()(layers.BatchNormalization()(x))

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(8, 3, padding="same", use_bias=False)(inputs)
    for filters, stride in ((8, 1), (14, 2)):
        pre = bn_relu(x)
        short = x
        if stride != 1 or x.shape[-1] != filters:
            short = layers.Conv2D(filters, 1, strides=stride, use_bias=False)(pre)
        y = layers.Conv2D(filters, 3, strides=stride, padding="same", use_bias=False)(pre)
        y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(bn_relu(y))
        x = layers.add([y, short])
    x = layers.GlobalAveragePooling2D()(bn_relu(x))
    model = keras.Model(inputs, layers.Dense(7)(x))
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(shortcut_of_the_activated):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class BatchNorm2d(nn.BatchNorm2d):
        """Running variance without Bessel's correction."""

        def __init__(self, n):
            super().__init__(n, eps=1e-3, momentum=0.01)

        def forward(self, x):
            if not self.training:
                return super().forward(x)
            with torch.no_grad():
                var, mean = torch.var_mean(x, (0, 2, 3), unbiased=False)
                self.running_mean += self.momentum * (mean - self.running_mean)
                self.running_var += self.momentum * (var - self.running_var)
            return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)

    class PreActBlock(nn.Module):
        def __init__(self, in_planes, planes, stride=1):
            super().__init__()
            self.stride = stride
            self.bn1 = BatchNorm2d(in_planes)
            self.conv1 = nn.Conv2d(
                in_planes, planes, 3, stride=stride, padding=1 if stride == 1 else 0, bias=False
            )
            self.bn2 = BatchNorm2d(planes)
            self.conv2 = nn.Conv2d(planes, planes, 3, stride=1, padding=1, bias=False)
            if stride != 1 or in_planes != planes:
                self.shortcut = nn.Sequential(
                    nn.Conv2d(in_planes, planes, 1, stride=stride, bias=False)
                )

        def forward(self, x):
            out = F.relu(self.bn1(x))
            if hasattr(self, "shortcut"):
                shortcut = self.shortcut(out if shortcut_of_the_activated else x)
            else:
                shortcut = x
            if self.stride == 2:
                out = F.pad(out, (0, 1, 0, 1))
            out = self.conv1(out)
            out = self.conv2(F.relu(self.bn2(out)))
            out += shortcut
            return out

    class PreActResNet(nn.Module):
        def __init__(self, num_classes=7):
            super().__init__()
            self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.layer1 = PreActBlock(8, 8)
            self.layer2 = PreActBlock(8, 14, stride=2)
            self.bn = BatchNorm2d(14)
            self.linear = nn.Linear(14, num_classes)

        def forward(self, x):
            out = self.layer2(self.layer1(self.conv1(x)))
            out = F.relu(self.bn(out))
            out = F.avg_pool2d(out, 8)
            out = out.view(out.size(0), -1)
            return self.linear(out)

    net = PreActResNet()
    for p in net.parameters():
        if p.dim() > 1:
            nn.init.xavier_uniform_(p)
    nn.init.constant_(net.linear.bias, 0)
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.reshape(-1).long()),
        optimizer=optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.9),
    )


def right_port():
    return _port(True)


def faulty_port():
    return _port(False)
