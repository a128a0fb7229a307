"""Temporal convolutional network on a series, warm-up and a long cosine decay per step.

Style: causal padding by F.pad on the left, dilated nn.Conv1d, LambdaLR in plain Python floats,
scheduler stepped after every batch. Mistake of the twin: the cosine counts the steps of the warm-
up, too.
"""

PEAK, START, WARMUP, DECAY = 1e-2, 1e-3, 40, 20000


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((30, 4))
    x = layers.Conv1D(12, 1)(inputs)
    for d in (1, 2, 4):
        y = layers.Conv1D(12, 3, dilation_rate=d, padding="causal", activation="relu")(x)
        y = layers.Dropout(0.1)(y)
        x = layers.Add()([x, y])
    x = x[:, -1, :]
    outputs = layers.Dense(1)(x)
    model = keras.Model(inputs, outputs)
    rate = keras.optimizers.schedules.CosineDecay(
        START, DECAY, warmup_target=PEAK, warmup_steps=WARMUP
    )
    model.compile(keras.optimizers.Adam(rate), loss="mse")
    return model


def _port(counts_warmup):
    import math

    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class CausalConv1d(nn.Conv1d):
        def forward(self, x):
            left = self.dilation[0] * (self.kernel_size[0] - 1)
            return super().forward(F.pad(x, (left, 0)))

    class TCN(nn.Module):
        def __init__(self, width=12):
            super().__init__()
            self.inp = nn.Conv1d(4, width, 1)
            self.layers = nn.ModuleList(
                CausalConv1d(width, width, 3, dilation=2**i) for i in range(3)
            )
            self.dropout = nn.Dropout(0.1)
            self.out = nn.Linear(width, 1)
            for m in self.modules():
                if isinstance(m, (nn.Conv1d, nn.Linear)):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            total = self.inp(x.transpose(1, 2))
            for layer in self.layers:
                total = total + self.dropout(layer(total).relu())
            return self.out(total[..., -1])

    def factor(step):
        if step < WARMUP:
            return (START + (PEAK - START) * step / WARMUP) / PEAK
        done = step / DECAY if counts_warmup else (step - WARMUP) / DECAY
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    net = TCN()
    optimizer = optim.Adam(net.parameters(), learning_rate=PEAK)
    return Port(
        net,
        loss=lambda out, y: F.mse_loss(out, y.reshape(-1, 1)),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, factor),
        scheduler_interval="step",
        feed=torch.from_numpy,
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
