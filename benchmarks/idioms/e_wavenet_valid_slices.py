"""A small WaveNet forecaster (gated, dilated, residual and skip 1x1 convolutions), read out.

At the last step.

Style: the well-known PyTorch WaveNets with four nn.ModuleLists, convolutions without padding, and
slices that line the shrinking signal up from its end. The twin's mistake: the residual signal is
lined up from its beginning, not its end.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((20, 2))
    x = layers.Conv1D(8, 1, name="causal_start")(inputs)
    skips = []
    for i, d in enumerate((1, 2, 4)):
        f = layers.Conv1D(
            8, 2, dilation_rate=d, padding="causal", activation="tanh", name=f"filter_{i}"
        )(x)
        g = layers.Conv1D(
            8, 2, dilation_rate=d, padding="causal", activation="sigmoid", name=f"gate_{i}"
        )(x)
        z = layers.Multiply()([f, g])
        skips.append(layers.Conv1D(12, 1, name=f"skip_{i}")(z))
        if i < 2:
            x = layers.Add()([x, layers.Conv1D(8, 1, name=f"residual_{i}")(z)])
    y = layers.Activation("relu")(layers.Add()(skips))
    y = layers.Conv1D(10, 1, activation="relu", name="end_1")(y)
    y = layers.Conv1D(1, 1, name="end_2")(y)
    model = keras.Model(inputs, y[:, -1, :])
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="mse")
    return model


def _port(from_the_end):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port, optim

    class WaveNet(nn.Module):
        def __init__(self, dilations=(1, 2, 4), res=8, skip=12, end=10):
            super().__init__()
            self.start_conv = nn.Conv1d(2, res, 1)
            self.filter_convs = nn.ModuleList()
            self.gate_convs = nn.ModuleList()
            self.residual_convs = nn.ModuleList()
            self.skip_convs = nn.ModuleList()
            for i, d in enumerate(dilations):
                self.filter_convs.append(nn.Conv1d(res, res, 2, dilation=d))
                self.gate_convs.append(nn.Conv1d(res, res, 2, dilation=d))
                self.skip_convs.append(nn.Conv1d(res, skip, 1))
                if i + 1 < len(dilations):
                    self.residual_convs.append(nn.Conv1d(res, res, 1))
            self.end_conv_1 = nn.Conv1d(skip, end, 1)
            self.end_conv_2 = nn.Conv1d(end, 1, 1)
            for m in self.modules():
                if isinstance(m, nn.Conv1d):
                    nn.init.xavier_uniform_(m.weight)
                    nn.init.zeros_(m.bias)

        def forward(self, x):
            x = self.start_conv(x)
            skip = 0
            for i, (fc, gc) in enumerate(zip(self.filter_convs, self.gate_convs, strict=False)):
                z = torch.tanh(fc(x)) * torch.sigmoid(gc(x))
                s = self.skip_convs[i](z)
                try:
                    skip = skip[:, :, -s.size(2) :]
                except TypeError:
                    skip = 0
                skip = s + skip
                if i < len(self.residual_convs):
                    r = self.residual_convs[i](z)
                    keep = x[:, :, -r.size(2) :] if from_the_end else x[:, :, : r.size(2)]
                    x = r + keep
            x = F.relu(skip)
            x = F.relu(self.end_conv_1(x))
            return self.end_conv_2(x)[:, :, -1]

    net = WaveNet()
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=2e-3),
        feed=lambda x: torch.from_numpy(x).transpose(1, 2),
    )


def right_port():
    return _port(True)


def faulty_port():
    return _port(False)
