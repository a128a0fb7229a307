"""A one-level U-Net for binary masks with nearest up-sampling.

Style: the milesial U-Net: DoubleConv / Down / Up / OutConv modules, F.pad by the difference of the
sizes, torch.cat of skip and up-sampled signal, masks with channels first. The twin's mistake:
Keras's momentum of 0.99 is passed to a normalisation which counts momentum in torch's way (share of
the new value).
"""


def keras_model():
    import keras
    from keras import layers

    def double_conv(x, filters):
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Activation("relu")(x)
        return x

    inputs = keras.Input((16, 16, 3))
    c1 = double_conv(inputs, 6)
    c2 = double_conv(layers.MaxPooling2D()(c1), 10)
    up = layers.UpSampling2D(2)(c2)
    c3 = double_conv(layers.concatenate([c1, up]), 6)
    model = keras.Model(inputs, layers.Conv2D(1, 1)(c3))
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def _port(bn_momentum):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class BatchNorm(nn.BatchNorm2d):
        # as in Keras, the running variance is that of the batch, not divided by n - 1
        def __init__(self, n):
            super().__init__(n, eps=1e-3, momentum=bn_momentum)

        def forward(self, x):
            if self.training:
                with torch.no_grad():
                    self.running_mean.lerp_(x.mean(dim=(0, 2, 3)), self.momentum)
                    self.running_var.lerp_(x.var(dim=(0, 2, 3), unbiased=False), self.momentum)
                return F.batch_norm(x, None, None, self.weight, self.bias, True, 0.0, self.eps)
            return F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )

    class DoubleConv(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.double_conv = nn.Sequential(
                nn.Conv2d(a, b, kernel_size=3, padding=1, bias=False),
                BatchNorm(b),
                nn.ReLU(inplace=True),
                nn.Conv2d(b, b, kernel_size=3, padding=1, bias=False),
                BatchNorm(b),
                nn.ReLU(inplace=True),
            )

        def forward(self, x):
            return self.double_conv(x)

    class Down(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), DoubleConv(a, b))

        def forward(self, x):
            return self.maxpool_conv(x)

    class Up(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.up = nn.Upsample(scale_factor=2, mode="nearest")
            self.conv = DoubleConv(a, b)

        def forward(self, x1, x2):
            x1 = self.up(x1)
            dy, dx = x2.size(2) - x1.size(2), x2.size(3) - x1.size(3)
            x1 = F.pad(x1, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            return self.conv(torch.cat([x2, x1], dim=1))

    class UNet(nn.Module):
        def __init__(self, n_channels=3, n_classes=1):
            super().__init__()
            self.inc = DoubleConv(n_channels, 6)
            self.down1 = Down(6, 10)
            self.up1 = Up(16, 6)
            self.outc = nn.Conv2d(6, n_classes, 1)

        def forward(self, x):
            x1 = self.inc(x)
            x2 = self.down1(x1)
            return self.outc(self.up1(x2, x1))

    def weights_init(m):
        if isinstance(m, nn.Conv2d):
            nn.init.xavier_uniform_(m.weight.data)
            if m.bias is not None:
                m.bias.data.zero_()

    net = UNet()
    net.apply(weights_init)
    return Port(
        net,
        loss=lambda out, y: F.binary_cross_entropy_with_logits(out, y.to(out.dtype)),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        feed=lambda x: torch.from_numpy(x).permute(0, 3, 1, 2),
        target=lambda y: torch.from_numpy(y).permute(0, 3, 1, 2),
    )


def right_port():
    return _port(0.01)


def faulty_port():
    return _port(0.99)
