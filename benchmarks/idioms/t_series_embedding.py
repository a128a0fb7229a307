"""Encoder of series into an embedding: Conv1D, LayerNormalization, gelu, cosine loss, AdamW.

Style: decay groups by the dimension of the parameter, LayerNorm on transposed features, LambdaLR
per step. Three mistakes of the twin: tanh approximation of gelu; only biases are excluded from the
decay, the scales of the norms are decayed; MultiStepLR, which cuts the rate one step before Keras's
PiecewiseConstantDecay.
"""

RATES = [2e-3, 2e-4, 2e-5]
BOUNDARIES = [20, 50]


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((32, 3))
    x = layers.Conv1D(16, 5, padding="same")(inputs)
    x = layers.LayerNormalization()(x)
    x = layers.Activation("gelu")(x)
    x = layers.Conv1D(20, 4, strides=2)(x)
    x = layers.LayerNormalization()(x)
    x = layers.Activation("gelu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    outputs = layers.Dense(8)(x)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay(BOUNDARIES, RATES)
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.05)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, loss=keras.losses.CosineSimilarity(axis=-1))
    return model


def _port(faulty):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class Stage(nn.Module):
        def __init__(self, c_in, c_out, k, **kwargs):
            super().__init__()
            self.conv = nn.Conv1d(c_in, c_out, k, **kwargs)
            self.norm = nn.LayerNorm(c_out, eps=1e-3)
            self.act = nn.GELU(approximate="tanh" if faulty else "none")
            nn.init.xavier_uniform_(self.conv.weight)
            nn.init.zeros_(self.conv.bias)

        def forward(self, x):
            x = self.norm(self.conv(x).mT)
            return self.act(x).mT

    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.stages = nn.Sequential(Stage(3, 16, 5, padding=2), Stage(16, 20, 4, stride=2))
            self.proj = nn.Linear(20, 8)
            nn.init.xavier_uniform_(self.proj.weight)
            nn.init.zeros_(self.proj.bias)

        def forward(self, x):
            return self.proj(self.stages(x).mean(-1))

    net = Encoder()
    decay, no_decay = [], []
    for name, p in net.named_parameters():
        keep = name.endswith(".bias") if faulty else p.ndim == 1
        (no_decay if keep else decay).append(p)
    optimizer = optim.AdamW(
        [{"params": decay}, {"params": no_decay, "weight_decay": 0.0}],
        learning_rate=RATES[0],
        weight_decay=0.05,
    )
    if faulty:
        scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, BOUNDARIES, gamma=0.1)
    else:
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: RATES[sum(step > b for b in BOUNDARIES)] / RATES[0]
        )
    return Port(
        net,
        loss=lambda out, y: -F.cosine_similarity(out, y, dim=-1).mean(),
        optimizer=optimizer,
        scheduler=scheduler,
        scheduler_interval="step",
        feed=lambda x: torch.from_numpy(x).transpose(1, 2).contiguous(),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
