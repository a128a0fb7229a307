"""Pre-activation residual network with a projected shortcut.

Style: torch.compile (backend eager), own subclass of BatchNorm2d with Keras's biased variance,
running sum `total = total + branch`, stride-2 'same' by F.pad. Mistake of the twin: the projection
is applied to the raw input of the block, where Keras's takes the pre-activated one.
"""


def keras_model():
    import keras
    from keras import layers

    def conv(filters, size=3, strides=1):
        return layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)

    def block(x, filters, strides):
        pre = layers.ReLU()(layers.BatchNormalization()(x))
        shortcut = x
        if strides > 1 or x.shape[-1] != filters:
            shortcut = conv(filters, 1, strides)(pre)
        y = conv(filters, 3, strides)(pre)
        y = layers.ReLU()(layers.BatchNormalization()(y))
        y = conv(filters)(y)
        return layers.Add()([shortcut, y])

    inputs = keras.Input((16, 16, 3))
    x = conv(8)(inputs)
    x = block(x, 8, 1)
    x = block(x, 16, 2)
    x = block(x, 16, 1)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(10)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(raw_input):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    class KerasBatchNorm2d(nn.BatchNorm2d):
        def __init__(self, channels):
            super().__init__(channels, eps=1e-3, momentum=0.01)

        def forward(self, x):
            if not self.training:
                return F.batch_norm(
                    x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
                )
            with torch.no_grad():
                var, mean = torch.var_mean(x, (0, 2, 3), correction=0)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(var, self.momentum)
            return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=self.eps)

    class PreActBlock(nn.Module):
        def __init__(self, c_in, c_out, stride):
            super().__init__()
            self.stride = stride
            self.bn1 = KerasBatchNorm2d(c_in)
            self.conv1 = nn.Conv2d(
                c_in, c_out, 3, stride, padding=1 if stride == 1 else 0, bias=False
            )
            self.bn2 = KerasBatchNorm2d(c_out)
            self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
            self.proj = None
            if stride > 1 or c_in != c_out:
                self.proj = nn.Conv2d(c_in, c_out, 1, stride, bias=False)

        def forward(self, x):
            pre = F.relu(self.bn1(x))
            total = x
            if self.proj is not None:
                total = self.proj(x if raw_input else pre)
            if self.stride == 2:
                pre = F.pad(pre, (0, 1, 0, 1))
            total = total + self.conv2(F.relu(self.bn2(self.conv1(pre))))
            return total

    class ResNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3, padding=1, bias=False)
            self.blocks = nn.ModuleList(
                [PreActBlock(8, 8, 1), PreActBlock(8, 16, 2), PreActBlock(16, 16, 1)]
            )
            self.bn = KerasBatchNorm2d(16)
            self.fc = nn.Linear(16, 10)
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
            nn.init.zeros_(self.fc.bias)

        def forward(self, x):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            return self.fc(F.relu(self.bn(x)).mean(dim=(-2, -1)))

    net = torch.compile(ResNet(), backend="eager")
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.reshape(-1).long()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
