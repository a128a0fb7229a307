"""WaveNet.

The port cuts the surplus of the padded causal convolution off the front, not off the end, so that
it looks ahead.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import keras_init, nn, ports, torch


def keras_model():
    inputs = keras.Input((40, 4))
    x = layers.Conv1D(12, 1)(inputs)
    skips = []
    for dilation in (1, 2, 4):
        f = layers.Conv1D(12, 3, padding="causal", dilation_rate=dilation, activation="tanh")(x)
        g = layers.Conv1D(12, 3, padding="causal", dilation_rate=dilation, activation="sigmoid")(x)
        z = layers.Multiply()([f, g])
        skips.append(layers.Conv1D(8, 1)(z))
        if dilation < 4:
            x = layers.Add()([x, layers.Conv1D(12, 1)(z)])
    x = layers.ReLU()(layers.Add()(skips))
    x = layers.Conv1D(10, 1, activation="relu")(x)
    model = keras.Model(inputs, layers.Conv1D(3, 1)(x))
    model.compile(optimizers.Adam(2e-3), "mse")
    return model


def _wavenet(cut_end):
    class CausalConv1d(nn.Conv1d):
        def __init__(self, cin, cout, kernel_size, dilation):
            self.surplus = (kernel_size - 1) * dilation
            super().__init__(cin, cout, kernel_size, padding=self.surplus, dilation=dilation)

        def forward(self, x):
            y = super().forward(x)
            return y[..., : -self.surplus] if cut_end else y[..., self.surplus :]

    class GatedBlock(nn.Module):
        def __init__(self, channels, skip_channels, dilation, is_last):
            super().__init__()
            self.filter = CausalConv1d(channels, channels, 3, dilation)
            self.gate = CausalConv1d(channels, channels, 3, dilation)
            self.skip = nn.Conv1d(channels, skip_channels, 1)
            self.residual = None if is_last else nn.Conv1d(channels, channels, 1)

        def forward(self, x):
            z = torch.tanh(self.filter(x)) * torch.sigmoid(self.gate(x))
            return (x if self.residual is None else x + self.residual(z)), self.skip(z)

    class WaveNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Conv1d(4, 12, 1)
            self.blocks = nn.ModuleList(GatedBlock(12, 8, d, d == 4) for d in (1, 2, 4))
            self.head = nn.Sequential(
                *(nn.ReLU(), nn.Conv1d(8, 10, 1), nn.ReLU()), nn.Conv1d(10, 3, 1)
            )
            keras_init(self)

        def forward(self, x):  # (N, T, C)
            x = self.embed(x.transpose(1, 2))
            total = 0
            for block in self.blocks:
                x, skip = block(x)
                total = total + skip
            return self.head(total).transpose(1, 2)

    return WaveNet()


right_port, faulty_port = ports(_wavenet, True, False)
