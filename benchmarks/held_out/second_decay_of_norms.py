"""MLP-Mixer with AdamW.

The port also decays biases and LayerNorm weights, which the Keras program excludes from decay.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim


def keras_model():
    x = inputs = keras.Input((12, 16))
    y = layers.LayerNormalization()(x)
    y = layers.Permute((2, 1))(y)
    y = layers.Dense(20, activation="gelu")(y)
    y = layers.Dense(12)(y)
    y = layers.Permute((2, 1))(y)
    x = layers.Add()([x, y])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(28, activation="gelu")(y)
    y = layers.Dense(16)(y)
    x = layers.Add()([x, y])
    x = layers.LayerNormalization()(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    optimizer = optimizers.AdamW(1e-3, weight_decay=0.05)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(groups):
    class Mlp(nn.Sequential):
        def __init__(self, size, hidden):
            super().__init__(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm1 = nn.LayerNorm(16, eps=1e-3)
            self.mlp_tokens = Mlp(12, 20)
            self.norm2 = nn.LayerNorm(16, eps=1e-3)
            self.mlp_channels = Mlp(16, 28)
            self.norm = nn.LayerNorm(16, eps=1e-3)
            self.head = nn.Linear(16, 3)
            keras_init(self)

        def forward(self, x):
            x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            x = x + self.mlp_channels(self.norm2(x))
            return self.head(self.norm(x).mean(dim=1))

    net = Mixer()
    optimizer = optim.AdamW(groups(net), learning_rate=1e-3, weight_decay=0.05)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def right_port():
    def groups(net):
        return [
            {"params": [p for p in net.parameters() if p.ndim > 1]},
            {"params": [p for p in net.parameters() if p.ndim <= 1], "weight_decay": 0.0},
        ]

    return _port(groups)


def faulty_port():
    return _port(lambda net: net.parameters())
