"""trunc_normal_(std=.02) cuts at plus and minus 2; TruncatedNormal at two sigma."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import nn, ports


def keras_model():
    def init():
        return keras.initializers.TruncatedNormal(stddev=0.02)

    inputs = keras.Input((16, 24, 3))
    x = layers.Conv2D(32, 8, strides=8, kernel_initializer=init(), name="patches")(inputs)
    x = layers.Reshape((6, 32))(x)
    for _ in range(2):
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(64, activation="gelu", kernel_initializer=init())(y)
        y = layers.Dense(32, kernel_initializer=init())(y)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(10, kernel_initializer=init(), name="head")(x)
    model = keras.Model(inputs, outputs, name="patch_mlp")
    model.compile(optimizers.AdamW(5e-4), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(**bounds):
    class Mlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(32, eps=1e-6)
            self.fc1 = nn.Linear(32, 64)
            self.fc2 = nn.Linear(64, 32)
            self.act = nn.GELU()

        def forward(self, x):
            return x + self.fc2(self.act(self.fc1(self.norm(x))))

    class PatchMlp(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Conv2d(3, 32, 8, stride=8)
            self.blocks = nn.Sequential(Mlp(), Mlp())
            self.norm = nn.LayerNorm(32, eps=1e-6)
            self.head = nn.Linear(32, 10)
            self.apply(self._init_weights)

        def _init_weights(self, m):
            if isinstance(m, (nn.Linear, nn.Conv2d)):
                nn.init.trunc_normal_(m.weight, std=0.02, **bounds)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.patch_embed(x).flatten(2).transpose(1, 2)
            x = self.norm(self.blocks(x))
            return self.head(x.mean(dim=1))

    return PatchMlp()


right_port, faulty_port = ports(_make, {"a": -0.04, "b": 0.04}, {})
