"""Causal padding was ported as symmetric 'same' padding: outputs see the future."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, keras_init, nn, ports


def keras_model():
    inputs = keras.Input((20, 4))
    x = layers.Conv1D(8, 1, name="lift")(inputs)
    for d in (1, 2, 4):
        y = layers.Conv1D(8, 3, padding="causal", dilation_rate=d, activation="relu")(x)
        y = layers.Conv1D(8, 1)(y)
        x = layers.add([x, y])
    x = layers.ReLU()(x)
    x = layers.Conv1D(5, 2, padding="causal", activation="softplus", name="readout")(x)
    x = layers.GlobalMaxPooling1D()(x)
    outputs = layers.Dense(2)(x)
    model = keras.Model(inputs, outputs, name="tcn")
    model.compile(optimizers.RMSprop(1e-3), "mae")
    return model


def _make(causal):
    class TemporalConv(nn.Conv1d):
        def __init__(self, a, b, k, d=1):
            super().__init__(a, b, k, dilation=d, padding=0 if causal else "same")

        def forward(self, x):
            if causal:
                x = F.pad(x, ((self.kernel_size[0] - 1) * self.dilation[0], 0))
            return super().forward(x)

    class TCN(nn.Module):
        def __init__(self):
            super().__init__()
            self.lift = nn.Conv1d(4, 8, 1)
            self.dilated = nn.ModuleList([TemporalConv(8, 8, 3, d) for d in (1, 2, 4)])
            self.mix = nn.ModuleList([nn.Conv1d(8, 8, 1) for _ in range(3)])
            self.readout = TemporalConv(8, 5, 2)
            self.fc = nn.Linear(5, 2)
            keras_init(self)

        def forward(self, x):
            x = self.lift(x.permute(0, 2, 1))
            for dilated, mix in zip(self.dilated, self.mix, strict=True):
                x = x + mix(F.relu(dilated(x)))
            x = F.softplus(self.readout(F.relu(x)), threshold=40)  # 20 rounds at 2e-9
            return self.fc(x.amax(dim=-1))

    return TCN()


right_port, faulty_port = ports(_make, True, False)
