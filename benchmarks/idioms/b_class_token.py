"""Class token and position embedding as bare parameters of the whole network.

The faulty twin averages over all tokens; Keras reads the class token.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, optim, torch

PATCH, WIDTH, TOKENS = 4, 16, 12


def keras_model():
    class ClassToken(layers.Layer):
        def build(self, input_shape):
            self.cls = self.add_weight(
                name="cls", shape=(1, 1, input_shape[-1]), initializer="zeros"
            )

        def call(self, x):
            cls = keras.ops.broadcast_to(self.cls, (keras.ops.shape(x)[0], 1, x.shape[-1]))
            return keras.ops.concatenate([keras.ops.cast(cls, x.dtype), x], axis=1)

    class AddPositions(layers.Layer):
        def build(self, input_shape):
            self.table = self.add_weight(
                name="table",
                shape=(1, input_shape[1], input_shape[2]),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
            )

        def call(self, x):
            return x + self.table

    inputs = keras.Input((12, 16, 3))
    x = layers.Conv2D(WIDTH, PATCH, strides=PATCH, name="patches")(inputs)
    x = layers.Reshape((TOKENS, WIDTH))(x)
    x = AddPositions(name="positions")(ClassToken(name="token")(x))
    h = layers.LayerNormalization(epsilon=1e-6, name="norm1")(x)
    h = layers.Permute((2, 1))(h)
    h = layers.Dense(24, activation="gelu", name="mix1")(h)
    h = layers.Dense(TOKENS + 1, name="mix2")(h)
    x = layers.Add()([x, layers.Permute((2, 1))(h)])
    x = layers.LayerNormalization(epsilon=1e-6, name="norm2")(x)
    x = x[:, 0]
    model = keras.Model(inputs, layers.Dense(6, name="head")(x))
    model.compile(optimizers.Adam(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _port(pool):
    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, stride=PATCH)
            self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
            self.pos_embed = nn.Parameter(0.02 * torch.randn(1, TOKENS + 1, WIDTH))
            self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
            self.mlp = nn.Sequential(
                nn.Linear(TOKENS + 1, 24), nn.GELU(), nn.Linear(24, TOKENS + 1)
            )
            self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
            self.head = nn.Linear(WIDTH, 6)
            keras_init(self)

        def forward(self, img):
            x = self.patch_embed(img).flatten(2).transpose(1, 2)
            x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), dim=1)
            x = x + self.pos_embed
            x = x + self.mlp(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return self.head(pool(self.norm2(x)))

    net = Mixer()
    optimizer = optim.Adam(net.parameters(), learning_rate=2e-3)
    return Port(net, loss=cross_entropy, optimizer=optimizer)


def right_port():
    return _port(lambda x: x[:, 0])


def faulty_port():
    return _port(lambda x: x.mean(dim=1))
