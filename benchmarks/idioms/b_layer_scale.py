"""Layer scale: a bare nn.Parameter `gamma` for a small Keras layer (ConvNeXt block).

The faulty twin starts gamma at one; Keras starts it at 0.1.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

DIM, DEPTH = 12, 2


def keras_model():
    class LayerScale(layers.Layer):
        def __init__(self, init_values, **kwargs):
            super().__init__(**kwargs)
            self.init_values = init_values

        def build(self, input_shape):
            self.gamma = self.add_weight(
                name="gamma",
                shape=(input_shape[-1],),
                initializer=keras.initializers.Constant(self.init_values),
            )

        def call(self, x):
            return x * self.gamma

    inputs = keras.Input((16, 12, 3))
    x = layers.Conv2D(DIM, 2, strides=2, name="stem")(inputs)
    x = layers.LayerNormalization(epsilon=1e-6, name="stem_norm")(x)
    for i in range(DEPTH):
        h = layers.DepthwiseConv2D(5, padding="same", name=f"block{i}_dw")(x)
        h = layers.LayerNormalization(epsilon=1e-6, name=f"block{i}_norm")(h)
        h = layers.Dense(4 * DIM, name=f"block{i}_pw1")(h)
        h = layers.Activation("gelu", name=f"block{i}_gelu")(h)
        h = layers.Dense(DIM, name=f"block{i}_pw2")(h)
        h = LayerScale(0.1, name=f"block{i}_scale")(h)
        x = layers.Add(name=f"block{i}_add")([x, h])
    x = layers.GlobalAveragePooling2D(name="gap")(x)
    outputs = layers.Dense(4, name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile(optimizers.SGD(0.05), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(start):
    class Block(nn.Module):
        def __init__(self, dim):
            super().__init__()
            self.dwconv = nn.Conv2d(dim, dim, 5, padding=2, groups=dim)
            self.norm = nn.LayerNorm(dim, eps=1e-6)
            self.pwconv1 = nn.Linear(dim, 4 * dim)
            self.pwconv2 = nn.Linear(4 * dim, dim)
            self.gamma = nn.Parameter(start * torch.ones(dim))

        def forward(self, x):
            h = self.dwconv(x).permute(0, 2, 3, 1)
            h = self.pwconv2(F.gelu(self.pwconv1(self.norm(h))))
            return x + (self.gamma * h).permute(0, 3, 1, 2)

    class ConvNeXt(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, DIM, 2, stride=2)
            self.norm = nn.LayerNorm(DIM, eps=1e-6)
            self.blocks = nn.Sequential(*[Block(DIM) for _ in range(DEPTH)])
            self.head = nn.Linear(DIM, 4)
            keras_init(self)
            for block in self.blocks:  # Keras counts the 25 * DIM inputs of a depthwise kernel
                limit = (6 / (25 * DIM + 25)) ** 0.5
                nn.init.uniform_(block.dwconv.weight, -limit, limit)

        def forward(self, x):
            x = self.norm(self.stem(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            return self.head(self.blocks(x).mean([-2, -1]))

    net = ConvNeXt()
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.long().view(-1)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.05),
    )


def right_port():
    return _port(0.1)


def faulty_port():
    return _port(1.0)
