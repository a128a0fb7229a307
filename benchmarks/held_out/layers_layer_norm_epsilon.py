"""The LayerNorm of ConvNeXt blocks got the paper's eps=1e-6; Keras's default is 1e-3."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import keras_init, nn, ports


def keras_model():
    def block(x, dim):
        skip = x
        x = layers.DepthwiseConv2D(5, padding="same")(x)
        x = layers.LayerNormalization()(x)
        x = layers.Dense(4 * dim, activation="gelu")(x)
        x = layers.Dense(dim)(x)
        return layers.Add()([skip, x])

    inputs = keras.Input((16, 12, 3))
    x = layers.Conv2D(12, 2, strides=2)(inputs)
    x = layers.LayerNormalization()(x)
    for _ in range(2):
        x = block(x, 12)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.LayerNormalization()(x)
    outputs = layers.Dense(6)(x)
    model = keras.Model(inputs, outputs, name="convnext_nano")
    model.compile(optimizers.AdamW(1e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(eps):
    class Block(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
            self.norm = nn.LayerNorm(dim, eps=eps)
            self.pwconv1 = nn.Linear(dim, 4 * dim)
            self.act = nn.GELU()
            self.pwconv2 = nn.Linear(4 * dim, dim)

        def forward(self, x):
            y = self.dwconv(x).permute(0, 2, 3, 1)
            y = self.pwconv2(self.act(self.pwconv1(self.norm(y))))
            return x + y.permute(0, 3, 1, 2)

    class ConvNeXt(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 12, 2, stride=2)
            self.stem_norm = nn.LayerNorm(12, eps=eps)
            self.blocks = nn.Sequential(Block(12), Block(12))
            self.norm = nn.LayerNorm(12, eps=eps)
            self.head = nn.Linear(12, 6)
            # depthwise with multiplier 1: the sum of the fans is Keras's
            keras_init(self)

        def forward(self, x):
            x = self.stem_norm(self.stem(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            x = self.blocks(x)
            return self.head(self.norm(x.mean([-2, -1])))

    return ConvNeXt()


right_port, faulty_port = ports(_make, 1e-3, 1e-6)
