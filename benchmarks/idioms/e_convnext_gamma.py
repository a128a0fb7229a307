"""Two ConvNeXt blocks with LayerScale, trained by AdamW.

Style: facebookresearch/timm: dwconv, permute to channels last, LayerNorm, two Linear layers, gamma
* x, permute back, nn.init.trunc_normal replaced by Keras's initial weights. The twin's mistake:
gamma is a buffer, and not trained.
"""


def keras_model():
    import keras
    from keras import layers

    class LayerScale(layers.Layer):
        def __init__(self, init_values, dim, **kwargs):
            super().__init__(**kwargs)
            self.init_values, self.dim = init_values, dim

        def build(self, _):
            self.gamma = self.add_weight(
                shape=(self.dim,),
                name="gamma",
                initializer=keras.initializers.Constant(self.init_values),
            )

        def call(self, x):
            return x * self.gamma

    inputs = keras.Input((12, 12, 3))
    x = layers.Conv2D(12, 2, strides=2)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for _ in range(2):
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(24)(y)
        y = layers.Activation("gelu")(y)
        y = layers.Dense(12)(y)
        y = LayerScale(0.5, 12)(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    model = keras.Model(inputs, layers.Dense(6)(x))
    model.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=0.05),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(train_gamma):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class LayerNorm(nn.Module):
        """LayerNorm of channels_last (default) or channels_first inputs."""

        def __init__(self, n, eps=1e-6, data_format="channels_last"):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(n))
            self.bias = nn.Parameter(torch.zeros(n))
            self.eps, self.data_format = eps, data_format

        def forward(self, x):
            if self.data_format == "channels_last":
                return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)
            u = x.mean(1, keepdim=True)
            s = (x - u).pow(2).mean(1, keepdim=True)
            x = (x - u) / torch.sqrt(s + self.eps)
            return self.weight[:, None, None] * x + self.bias[:, None, None]

    class Block(nn.Module):
        def __init__(self, dim, layer_scale_init_value=0.5):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, kernel_size=3, padding=1, groups=dim)
            self.norm = LayerNorm(dim)
            self.pwconv1 = nn.Linear(dim, 2 * dim)
            self.act = nn.GELU()
            self.pwconv2 = nn.Linear(2 * dim, dim)
            gamma = layer_scale_init_value * torch.ones(dim)
            if train_gamma:
                self.gamma = nn.Parameter(gamma)
            else:
                self.register_buffer("gamma", gamma)

        def forward(self, x):
            input = x
            x = self.dwconv(x).permute(0, 2, 3, 1)
            x = self.pwconv2(self.act(self.pwconv1(self.norm(x))))
            x = self.gamma * x
            return input + x.permute(0, 3, 1, 2)

    class ConvNeXt(nn.Module):
        def __init__(self, dim=12, depth=2, num_classes=6):
            super().__init__()
            self.downsample = nn.Sequential(
                nn.Conv2d(3, dim, kernel_size=2, stride=2),
                LayerNorm(dim, data_format="channels_first"),
            )
            self.stage = nn.Sequential(*[Block(dim) for _ in range(depth)])
            self.norm = LayerNorm(dim)
            self.head = nn.Linear(dim, num_classes)
            self.apply(self._init_weights)

        def _init_weights(self, m):
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.constant_(m.bias, 0)

        def forward(self, x):
            x = self.stage(self.downsample(x))
            return self.head(self.norm(x.mean([-2, -1])))

    net = ConvNeXt()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.AdamW(net.parameters(), learning_rate=1e-3, weight_decay=0.05),
    )


def right_port():
    return _port(True)


def faulty_port():
    return _port(False)
