"""MLP-Mixer on small images, with the patches from a convolution as in timm.

The faulty twin gets from (N, C, H, W) to (N, tokens, C) with a view, not with a transpose.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, optim, ports


def keras_model():
    image = keras.Input((16, 12, 3))
    x = layers.Conv2D(14, 4, strides=4, name="stem")(image)
    x = layers.Reshape((12, 14))(x)
    for i in range(2):
        y = layers.LayerNormalization(epsilon=1e-6, name=f"norm_tokens_{i}")(x)
        y = layers.Permute((2, 1))(y)
        y = layers.Dense(10, activation="gelu")(y)
        y = layers.Dense(12)(y)
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.LayerNormalization(epsilon=1e-6, name=f"norm_channels_{i}")(x)
        y = layers.Dense(22, activation="gelu")(y)
        x = layers.Add()([x, layers.Dense(14)(y)])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm")(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(image, layers.Dense(6, name="head")(x))
    model.compile(
        optimizers.AdamW(1e-3, weight_decay=0.02),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _port(to_tokens):
    class Mlp(nn.Module):
        def __init__(self, features, hidden):
            super().__init__()
            self.fc1 = nn.Linear(features, hidden)
            self.fc2 = nn.Linear(hidden, features)

        def forward(self, x):
            return self.fc2(F.gelu(self.fc1(x)))

    class MixerBlock(nn.Module):
        def __init__(self, dim, tokens):
            super().__init__()
            self.norm1 = nn.LayerNorm(dim, eps=1e-6)
            self.mlp_tokens = Mlp(tokens, 10)
            self.norm2 = nn.LayerNorm(dim, eps=1e-6)
            self.mlp_channels = Mlp(dim, 22)

        def forward(self, x):
            x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.mlp_channels(self.norm2(x))

    class MlpMixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 14, kernel_size=4, stride=4)
            self.blocks = nn.Sequential(MixerBlock(14, 12), MixerBlock(14, 12))
            self.norm = nn.LayerNorm(14, eps=1e-6)
            self.head = nn.Linear(14, 6)

        def forward(self, x):
            x = self.norm(self.blocks(to_tokens(self.stem(x))))
            return self.head(x.mean(dim=1))

    net = keras_init(MlpMixer())
    optimizer = optim.AdamW(net.parameters(), learning_rate=1e-3, weight_decay=0.02)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


right_port, faulty_port = ports(
    _port, lambda x: x.flatten(2).transpose(1, 2), lambda x: x.view(x.size(0), 12, 14)
)
