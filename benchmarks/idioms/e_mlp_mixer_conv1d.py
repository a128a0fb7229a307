"""An MLP-Mixer on 16x16 images with patches of 4x4 (keras-io's version against.

Lucidrains' version).

Style: lucidrains: PreNormResidual wrappers, one FeedForward function whose dense layer is either
nn.Linear or a 1x1 nn.Conv1d over the tokens (functools.partial), everything in one nn.Sequential;
own loading of the weights. The twin's mistake: the batch is brought to channels first by view /
reshape instead of by permute.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(20, 4, strides=4, name="patches")(inputs)
    x = layers.Reshape((16, 20))(x)
    for i in range(2):
        y = layers.LayerNormalization(epsilon=1e-5, name=f"norm_tokens_{i}")(x)
        y = layers.Permute((2, 1))(y)
        y = layers.Dense(24, activation="gelu", name=f"tokens_in_{i}")(y)
        y = layers.Dense(16, name=f"tokens_out_{i}")(y)
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.LayerNormalization(epsilon=1e-5, name=f"norm_channels_{i}")(x)
        y = layers.Dense(32, activation="gelu", name=f"channels_in_{i}")(y)
        y = layers.Dense(20, name=f"channels_out_{i}")(y)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-5, name="norm")(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(inputs, layers.Dense(5, name="head")(x))
    model.compile(
        keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(channels_first):
    from functools import partial

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class PreNormResidual(nn.Module):
        def __init__(self, dim, fn):
            super().__init__()
            self.fn = fn
            self.norm = nn.LayerNorm(dim)

        def forward(self, x):
            return self.fn(self.norm(x)) + x

    class Patches(nn.Module):
        def __init__(self, dim, p):
            super().__init__()
            self.proj = nn.Conv2d(3, dim, p, p)

        def forward(self, x):
            return self.proj(x).flatten(2).transpose(1, 2)

    class Mean(nn.Module):
        def forward(self, x):
            return x.mean(1)

    def FeedForward(dim, hidden, dense=nn.Linear):
        return nn.Sequential(dense(dim, hidden), nn.GELU(), dense(hidden, dim))

    def MLPMixer(*, dim, depth, num_patches, num_classes):
        chan_first = partial(nn.Conv1d, kernel_size=1)
        return nn.Sequential(
            Patches(dim, 4),
            *[
                nn.Sequential(
                    PreNormResidual(dim, FeedForward(num_patches, 24, chan_first)),
                    PreNormResidual(dim, FeedForward(dim, 32)),
                )
                for _ in range(depth)
            ],
            nn.LayerNorm(dim),
            Mean(),
            nn.Linear(dim, num_classes),
        )

    net = MLPMixer(dim=20, depth=2, num_patches=16, num_classes=5)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(p)
        elif p.dim() > 1:
            nn.init.xavier_uniform_(p)

    @torch.no_grad()
    def load(net, weights):
        def dense(m, name):
            w = torch.from_numpy(weights[name + ".kernel"]).t()
            m.weight.copy_(w.reshape(m.weight.shape))
            m.bias.copy_(torch.from_numpy(weights[name + ".bias"]))

        def norm(m, name):
            m.weight.copy_(torch.from_numpy(weights[name + ".gamma"]))
            m.bias.copy_(torch.from_numpy(weights[name + ".beta"]))

        net[0].proj.weight.copy_(torch.from_numpy(weights["patches.kernel"]).permute(3, 2, 0, 1))
        net[0].proj.bias.copy_(torch.from_numpy(weights["patches.bias"]))
        for i in range(2):
            for j, what in enumerate(("tokens", "channels")):
                block = net[1 + i][j]
                norm(block.norm, f"norm_{what}_{i}")
                dense(block.fn[0], f"{what}_in_{i}")
                dense(block.fn[2], f"{what}_out_{i}")
        norm(net[3], "norm")
        dense(net[5], "head")

    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y.reshape(-1).long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        feed=lambda x: channels_first(torch.from_numpy(x)),
        load=load,
    )


def right_port():
    return _port(lambda x: x.permute(0, 3, 1, 2))


def faulty_port():
    return _port(lambda x: x.reshape(-1, 3, 16, 16))
