"""An MLP-Mixer has GELU's tanh approximation; "gelu" is the exact one in Keras."""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import keras_init, nn, ports


def keras_model():
    inputs = keras.Input((10, 8))
    x = inputs
    for i in range(2):
        y = layers.LayerNormalization(epsilon=1e-6, name=f"norm_tokens_{i}")(x)
        y = layers.Permute((2, 1))(y)
        y = layers.Dense(20, activation="gelu", name=f"tokens_up_{i}")(y)
        y = layers.Dense(10, name=f"tokens_down_{i}")(y)
        y = layers.Permute((2, 1))(y)
        x = layers.Add()([x, y])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"norm_channels_{i}")(x)
        y = layers.Dense(24, activation="gelu", name=f"channels_up_{i}")(y)
        y = layers.Dense(8, name=f"channels_down_{i}")(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(2)(x)
    model = keras.Model(inputs, outputs, name="mixer")
    model.compile("adam", "mse")
    return model


def _make(approximate):
    class MlpBlock(nn.Sequential):
        def __init__(self, dim, hidden):
            super().__init__(
                nn.Linear(dim, hidden),
                nn.GELU(approximate=approximate),
                nn.Linear(hidden, dim),
            )

    class MixerBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1 = nn.LayerNorm(8, eps=1e-6)
            self.norm2 = nn.LayerNorm(8, eps=1e-6)
            self.mlp_channels = MlpBlock(8, 24)
            self.mlp_tokens = MlpBlock(10, 20)

        def forward(self, x):
            x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.mlp_channels(self.norm2(x))

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([MixerBlock(), MixerBlock()])
            self.head = nn.Linear(8, 2)
            keras_init(self)

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(x.mean(dim=1))

    return Mixer()


right_port, faulty_port = ports(_make, "none", "tanh")
