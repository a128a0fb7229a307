"""AdamW decays all parameters; Keras excludes biases and scales of normalisations."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim


def keras_model():
    inputs = keras.Input((10, 6))
    x = layers.Dense(12)(inputs)
    y = layers.LayerNormalization()(x)
    y = layers.Dense(12, activation="silu")(y)
    x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    optimizer = optimizers.AdamW(0.0012, weight_decay=0.03)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def _net():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(6, 12)
            self.norm = nn.LayerNorm(12, eps=1e-3)
            self.mix = nn.Linear(12, 12)
            self.head = nn.Linear(12, 3)

        def forward(self, x):
            x = self.embed(x)
            x = x + F.silu(self.mix(self.norm(x)))
            return self.head(x.mean(1))

    return keras_init(Net())


def right_port():
    net = _net()
    named = list(net.named_parameters())
    kept = [p for n, p in named if p.ndim == 1]
    groups = [
        {"params": [p for n, p in named if p.ndim > 1]},
        {"params": kept, "weight_decay": 0.0},
    ]
    optimizer = optim.AdamW(groups, learning_rate=0.0012, weight_decay=0.03)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def faulty_port():
    net = _net()
    optimizer = optim.AdamW(net.parameters(), learning_rate=0.0012, weight_decay=0.03)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)
