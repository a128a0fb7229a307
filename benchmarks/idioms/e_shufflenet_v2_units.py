"""Two basic units of ShuffleNet V2 behind a stem.

Style: torchvision / kuangliu: chunk, branch as nn.Sequential, torch.cat, a helper channel_shuffle
with view and transpose. The twin's mistake: the helper views the channels as (C / g, g) instead of
(g, C / g), which shuffles the other way round.
"""


def keras_model():
    import keras
    from keras import layers

    def bn(x):
        return layers.BatchNormalization(momentum=0.9)(x)

    def unit(x, half=6):
        keep, y = x[..., :half], x[..., half:]
        y = layers.ReLU()(bn(layers.Conv2D(half, 1, use_bias=False)(y)))
        y = bn(layers.DepthwiseConv2D(3, padding="same", use_bias=False)(y))
        y = layers.ReLU()(bn(layers.Conv2D(half, 1, use_bias=False)(y)))
        y = layers.Concatenate()([keep, y])
        y = layers.Reshape((10, 10, 2, half))(y)
        y = layers.Permute((1, 2, 4, 3))(y)
        return layers.Reshape((10, 10, 2 * half))(y)

    inputs = keras.Input((10, 10, 3))
    x = layers.ReLU()(bn(layers.Conv2D(12, 3, padding="same", use_bias=False)(inputs)))
    x = unit(unit(x))
    x = layers.ReLU()(bn(layers.Conv2D(16, 1, use_bias=False)(x)))
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(6)(x))
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.CategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(view):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim
    from torch_impl.layers import BatchNormalization

    def bn(n):
        return BatchNormalization(n, momentum=0.9)

    def channel_shuffle(x, groups):
        b, c, h, w = x.size()
        x = x.view(b, *view(c, groups), h, w)
        x = torch.transpose(x, 1, 2).contiguous()
        return x.view(b, -1, h, w)

    class InvertedResidual(nn.Module):
        def __init__(self, branch):
            super().__init__()
            self.branch2 = nn.Sequential(
                nn.Conv2d(branch, branch, 1, bias=False),
                bn(branch),
                nn.ReLU(inplace=True),
                nn.Conv2d(branch, branch, 3, 1, 1, groups=branch, bias=False),
                bn(branch),
                nn.Conv2d(branch, branch, 1, bias=False),
                bn(branch),
                nn.ReLU(inplace=True),
            )

        def forward(self, x):
            x1, x2 = x.chunk(2, dim=1)
            return channel_shuffle(torch.cat((x1, self.branch2(x2)), dim=1), 2)

    class ShuffleNetV2(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Sequential(
                nn.Conv2d(3, 12, 3, 1, 1, bias=False), bn(12), nn.ReLU(inplace=True)
            )
            self.stage2 = nn.Sequential(*[InvertedResidual(6) for _ in range(2)])
            self.conv5 = nn.Sequential(
                nn.Conv2d(12, 16, 1, bias=False), bn(16), nn.ReLU(inplace=True)
            )
            self.fc = nn.Linear(16, 6)
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
                if isinstance(m, nn.Linear):
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.conv5(self.stage2(self.conv1(x)))
            return self.fc(x.mean([2, 3]))

    net = ShuffleNetV2()
    return Port(
        net,
        loss=lambda out, y: -(y * F.log_softmax(out, dim=1)).sum(1).mean(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
    )


def right_port():
    return _port(lambda c, g: (g, c // g))


def faulty_port():
    return _port(lambda c, g: (c // g, g))
