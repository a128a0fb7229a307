"""A temporal convolutional network which classifies short series (keras-tcn against.

The locuslab way of writing).

Style: padding on both sides and a Chomp1d module, nn.Sequential inside of a TemporalBlock,
downsample or None. The twin's mistake: nn.Dropout drops single values where the Keras model drops
whole channels (SpatialDropout1D).
"""

import itertools


def keras_model():
    import keras
    from keras import layers

    def block(x, filters, d):
        y = x
        for _ in range(2):
            y = layers.Conv1D(filters, 3, dilation_rate=d, padding="causal")(y)
            y = layers.Activation("relu")(y)
            y = layers.SpatialDropout1D(0.2)(y)
        if x.shape[-1] != filters:
            x = layers.Conv1D(filters, 1)(x)
        return layers.Activation("relu")(layers.Add()([y, x]))

    inputs = keras.Input((24, 3))
    x = block(inputs, 10, 1)
    x = block(x, 14, 2)
    x = layers.Lambda(lambda t: t[:, -1, :])(x)
    outputs = layers.Dense(4)(x)
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(4e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    return model


def _port(drop):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class Chomp1d(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.n = n

        def forward(self, x):
            return x[:, :, : -self.n].contiguous()

    class TemporalBlock(nn.Module):
        def __init__(self, n_in, n_out, d, k=3, p=0.2):
            super().__init__()
            pad = (k - 1) * d
            self.conv1 = nn.Conv1d(n_in, n_out, k, padding=pad, dilation=d)
            self.conv2 = nn.Conv1d(n_out, n_out, k, padding=pad, dilation=d)
            self.net = nn.Sequential(
                self.conv1,
                Chomp1d(pad),
                nn.ReLU(),
                drop(nn)(p),
                self.conv2,
                Chomp1d(pad),
                nn.ReLU(),
                drop(nn)(p),
            )
            self.downsample = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else None
            self.relu = nn.ReLU()
            self.init_weights()

        def init_weights(self):
            for c in (self.conv1, self.conv2, self.downsample):
                if c is not None:
                    nn.init.xavier_uniform_(c.weight)
                    c.bias.data.zero_()

        def forward(self, x):
            out = self.net(x)
            res = x if self.downsample is None else self.downsample(x)
            return self.relu(out + res)

    class TCN(nn.Module):
        def __init__(self, channels=(3, 10, 14), n_classes=4):
            super().__init__()
            self.network = nn.Sequential(
                *(
                    TemporalBlock(*sizes, 2**i)
                    for i, sizes in enumerate(itertools.pairwise(channels))
                )
            )
            self.linear = nn.Linear(channels[-1], n_classes)
            nn.init.xavier_uniform_(self.linear.weight)
            self.linear.bias.data.fill_(0)

        def forward(self, x):
            return self.linear(self.network(x.transpose(1, 2))[:, :, -1])

    net = TCN()
    criterion = nn.CrossEntropyLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view(-1).long()),
        optimizer=optim.Adam(net.parameters(), learning_rate=4e-3),
        feed=torch.from_numpy,
    )


def right_port():
    return _port(lambda nn: nn.Dropout1d)


def faulty_port():
    return _port(lambda nn: nn.Dropout)
