"""Two ConvNeXt blocks with LayerScale and stochastic depth.

Style: permute to channels last inside the block, bare nn.Parameter gamma, timm's drop_path with
bernoulli_. Mistake of the twin: the kept branches are not divided by the keep probability.
"""

DIM = 16


def keras_model():
    import keras
    from keras import layers

    class LayerScale(layers.Layer):
        def __init__(self, init, **kwargs):
            super().__init__(**kwargs)
            self.init = init

        def build(self, shape):
            self.gamma = self.add_weight(
                name="gamma",
                shape=(shape[-1],),
                initializer=keras.initializers.Constant(self.init),
            )

        def call(self, x):
            return x * self.gamma

    def block(x, rate):
        y = layers.DepthwiseConv2D(7, padding="same")(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(4 * DIM, activation="gelu")(y)
        y = layers.Dense(DIM)(y)
        y = LayerScale(0.5)(y)
        y = layers.Dropout(rate, noise_shape=(None, 1, 1, 1))(y)
        return layers.Add()([x, y])

    inputs = keras.Input((24, 24, 3))
    x = layers.Conv2D(DIM, 4, strides=4)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = block(x, 0.1)
    x = block(x, 0.3)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    outputs = layers.Dense(5, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    return model


def _port(undivided):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    def drop_path(x, rate, training):
        if rate == 0.0 or not training:
            return x
        keep = 1 - rate
        mask = x.new_empty((x.shape[0],) + (1,) * (x.ndim - 1)).bernoulli_(keep)
        if not undivided:
            mask.div_(keep)
        return x * mask

    class DropPath(nn.Module):
        def __init__(self, rate):
            super().__init__()
            self.rate = rate

        def forward(self, x):
            return drop_path(x, self.rate, self.training)

    class LayerNorm2d(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    class Block(nn.Module):
        def __init__(self, dim, rate):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
            self.norm = nn.LayerNorm(dim, eps=1e-6)
            self.pwconv1 = nn.Linear(dim, 4 * dim)
            self.pwconv2 = nn.Linear(4 * dim, dim)
            self.gamma = nn.Parameter(0.5 * torch.ones(dim))
            self.drop_path = DropPath(rate)

        def forward(self, x):
            y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
            y = self.pwconv2(F.gelu(self.pwconv1(y)))
            y = (self.gamma * y).permute(0, 3, 1, 2)
            return x + self.drop_path(y)

    class ConvNeXt(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, DIM, 4, 4), LayerNorm2d(DIM, eps=1e-6))
            self.stages = nn.Sequential(Block(DIM, 0.1), Block(DIM, 0.3))
            self.norm = nn.LayerNorm(DIM, eps=1e-6)
            self.head = nn.Linear(DIM, 5)
            for m in self.modules():
                if isinstance(m, (nn.Conv2d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.stages(self.stem(x))
            return self.head(self.norm(x.mean([-2, -1])))

    net = ConvNeXt()
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.flatten().long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
