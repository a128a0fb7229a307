"""Permute around the token mixing of an MLP-Mixer is movedim there and permute back.

The faulty twin goes back by reshape, which keeps the order of the numbers.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports


def keras_model():
    """A mixer of 9 tokens with 12 channels."""
    tokens = keras.Input((9, 7), name="tokens")
    x = layers.Dense(12, name="embed")(tokens)
    y = layers.Permute((2, 1), name="to_channels")(x)
    y = layers.Dense(20, activation="gelu", name="mix_in")(y)
    y = layers.Dense(9, name="mix_out")(y)
    y = layers.Permute((2, 1), name="to_tokens")(y)
    x = layers.Add(name="skip")([x, y])
    y = layers.Dense(16, activation="gelu", name="channel_in")(x)
    y = layers.Dense(12, name="channel_out")(y)
    x = layers.Add(name="skip_2")([x, y])
    x = layers.GlobalAveragePooling1D(name="mean")(x)
    model = keras.Model(tokens, layers.Dense(3, name="targets")(x))
    model.compile(optimizers.Adam(1e-2), "mae")
    return model


def _mixer(back):
    class Mlp(nn.Sequential):
        def __init__(self, size, hidden):
            super().__init__(nn.Linear(size, hidden), nn.GELU(), nn.Linear(hidden, size))

    class Mixer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(7, 12)
            self.mix_tokens = Mlp(9, 20)
            self.mix_channels = Mlp(12, 16)
            self.targets = nn.Linear(12, 3)
            keras_init(self)

        def forward(self, tokens):
            x = self.embed(tokens)
            y = self.mix_tokens(x.movedim(2, 1))
            x = x + back(y)
            x = x + self.mix_channels(x)
            return self.targets(x.mean(1))

    net = Mixer()
    return Port(net, loss=F.l1_loss, optimizer=optim.Adam(net.parameters(), learning_rate=1e-2))


right_port, faulty_port = ports(
    _mixer, lambda y: y.permute(0, 2, 1), lambda y: y.reshape(-1, 9, 12)
)
