"""gMLP: a spatial gating unit multiplies one half of the channels with the mixed other half.

The faulty twin has torch's epsilon in its layer norms, spreads the label smoothing over the K - 1
wrong classes, and does not decay biases and norms.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, torch

STEPS, FEATURES, HIDDEN, CLASSES = 12, 10, 16, 5


def keras_model():
    x = inputs = keras.Input((STEPS, FEATURES))
    for _ in range(2):
        y = layers.LayerNormalization()(x)
        y = layers.Dense(HIDDEN, activation="silu")(y)
        u = layers.Lambda(lambda t: t[..., : HIDDEN // 2])(y)
        v = layers.Lambda(lambda t: t[..., HIDDEN // 2 :])(y)
        v = layers.LayerNormalization()(v)
        v = layers.Permute((2, 1))(v)
        v = layers.Dense(STEPS, bias_initializer="ones")(v)
        v = layers.Permute((2, 1))(v)
        y = layers.Multiply()([u, v])
        x = layers.Add()([x, layers.Dense(FEATURES)(y)])
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(CLASSES)(x))
    model.compile(
        optimizers.AdamW(2e-3, weight_decay=0.05),
        losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1),
    )
    return model


def _port(eps, loss, groups):
    class SpatialGating(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.norm = nn.LayerNorm(dim, eps=eps)
            self.proj = nn.Linear(STEPS, STEPS)

        def forward(self, x):
            u, v = x.chunk(2, dim=-1)
            v = self.proj(self.norm(v).transpose(-1, -2))
            return u * v.transpose(-1, -2)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm = nn.LayerNorm(FEATURES, eps=eps)
            self.fc1 = nn.Linear(FEATURES, HIDDEN)
            self.gate = SpatialGating(HIDDEN // 2)
            self.fc2 = nn.Linear(HIDDEN // 2, FEATURES)

        def forward(self, x):
            return x + self.fc2(self.gate(F.silu(self.fc1(self.norm(x)))))

    class GMLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.Sequential(Block(), Block())
            self.head = nn.Linear(FEATURES, CLASSES)
            keras_init(self)
            for block in self.blocks:
                nn.init.ones_(block.gate.proj.bias)

        def forward(self, x):
            return self.head(self.blocks(x).mean(1))

    net = GMLP()
    optimizer = optim.AdamW(groups(net), learning_rate=2e-3, weight_decay=0.05)
    return Port(net, loss=loss, optimizer=optimizer)


def right_port():
    return _port(1e-3, nn.CrossEntropyLoss(label_smoothing=0.1), lambda net: net.parameters())


def faulty_port():
    def smoothed(logits, y):
        y = y * 0.9 + (1 - y) * 0.1 / (CLASSES - 1)
        return torch.sum(-y * logits.log_softmax(dim=-1), dim=-1).mean()

    def groups(net):
        matrices = [p for p in net.parameters() if p.ndim > 1]
        vectors = [p for p in net.parameters() if p.ndim == 1]
        return [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]

    return _port(1e-5, smoothed, groups)
