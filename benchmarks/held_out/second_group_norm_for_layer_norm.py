"""ConvNeXt block.

nn.GroupNorm(1, C) for a LayerNormalization over the channels: it also normalises over the image.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, nn, ports


def keras_model():
    inputs = keras.Input((16, 20, 3))
    x = layers.Conv2D(24, 4, strides=4)(inputs)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for _ in range(2):
        y = layers.DepthwiseConv2D(3, padding="same")(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(96, activation="gelu")(y)
        y = layers.Dense(24)(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    model = keras.Model(inputs, layers.Dense(5)(x))
    model.compile(optimizers.AdamW(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _convnext(norm_kind):
    class LayerNorm2d(nn.LayerNorm):
        def forward(self, x):
            x = x.permute(0, 2, 3, 1)
            x = F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)
            return x.permute(0, 3, 1, 2)

    def norm(channels):
        if norm_kind == "layer":
            return LayerNorm2d(channels, eps=1e-6)
        return nn.GroupNorm(1, channels, eps=1e-6)

    class Block(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
            self.norm = norm(dim)
            self.pwconv1 = nn.Linear(dim, 4 * dim)
            self.act = nn.GELU()
            self.pwconv2 = nn.Linear(4 * dim, dim)

        def forward(self, x):
            y = self.norm(self.dwconv(x)).permute(0, 2, 3, 1)
            y = self.pwconv2(self.act(self.pwconv1(y)))
            return x + y.permute(0, 3, 1, 2)

    class ConvNeXt(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 24, 4, stride=4), norm(24))
            self.stages = nn.Sequential(Block(24), Block(24))
            self.norm = nn.LayerNorm(24, eps=1e-6)
            self.head = nn.Linear(24, 5)
            self.apply(self._init_weights)

        def _init_weights(self, m):
            if isinstance(m, (nn.Conv2d, nn.Linear)):
                nn.init.xavier_uniform_(m.weight)
                nn.init.constant_(m.bias, 0)

        def forward(self, x):
            x = self.stages(self.stem(x))
            return self.head(self.norm(x.mean([-2, -1])))

    return ConvNeXt()


right_port, faulty_port = ports(_convnext, "layer", "group")
