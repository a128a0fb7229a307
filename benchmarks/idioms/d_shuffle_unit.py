"""ShuffleNet unit: grouped 1x1 convolution, channel shuffle, depthwise, grouped 1x1, residual.

Style: 5-D view and transpose for the shuffle, norm layer by functools.partial, a hook-free plain
block, AdaptiveAvgPool. Mistake of the twin: the 5-D view has groups and channels of a group in the
wrong order, which is the inverse shuffle.
"""

GROUPS = 3


def keras_model():
    import keras
    from keras import layers, ops

    class ChannelShuffle(layers.Layer):
        def __init__(self, groups, **kwargs):
            super().__init__(**kwargs)
            self.groups = groups

        def call(self, x):
            _n, h, w, c = ops.shape(x)[0], x.shape[1], x.shape[2], x.shape[3]
            x = ops.reshape(x, (-1, h, w, self.groups, c // self.groups))
            x = ops.transpose(x, (0, 1, 2, 4, 3))
            return ops.reshape(x, (-1, h, w, c))

    inputs = keras.Input((12, 16, 3))
    x = layers.Conv2D(24, 3, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = skip = layers.ReLU()(x)
    x = layers.Conv2D(12, 1, groups=GROUPS, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    x = ChannelShuffle(GROUPS)(x)
    x = layers.DepthwiseConv2D(3, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(24, 1, groups=GROUPS, use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(layers.Add()([x, skip]))
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(6, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.05), loss="categorical_crossentropy")
    return model


def _port(inverse):
    from functools import partial

    import torch
    from torch import nn

    from torch_impl import Port
    from torch_impl.layers import BatchNormalization

    norm_layer = partial(BatchNormalization, momentum=0.99, epsilon=1e-3)

    def channel_shuffle(x, groups):
        n, c, h, w = x.shape
        if inverse:
            x = x.view(n, c // groups, groups, h, w)
        else:
            x = x.view(n, groups, c // groups, h, w)
        return x.transpose(1, 2).contiguous().view(n, c, h, w)

    class Unit(nn.Module):
        def __init__(self, width, mid, norm):
            super().__init__()
            self.squeeze = nn.Conv2d(width, mid, 1, groups=GROUPS, bias=False)
            self.bn1 = norm(mid)
            self.depthwise = nn.Conv2d(mid, mid, 3, padding=1, groups=mid, bias=False)
            self.bn2 = norm(mid)
            self.expand = nn.Conv2d(mid, width, 1, groups=GROUPS, bias=False)
            self.bn3 = norm(width)
            self.relu = nn.ReLU(inplace=True)

        def forward(self, x):
            y = self.relu(self.bn1(self.squeeze(x)))
            y = self.bn2(self.depthwise(channel_shuffle(y, GROUPS)))
            y = self.bn3(self.expand(y))
            return self.relu(x + y)

    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 24, 3, padding=1, bias=False), norm_layer(24), nn.ReLU(True)),
        Unit(24, 12, norm_layer),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 6),
    )
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(m.weight)
            if m.bias is not None:
                nn.init.zeros_(m.bias)
    return Port(
        net,
        loss=lambda out, y: nn.functional.cross_entropy(out, y.argmax(1)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
