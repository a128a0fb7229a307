"""TimeDistributed layers run on frames that are folded into the batch by view(n * t, ...).

The faulty twin unfolds the frames as (t, n), not as (n, t), so that samples are mixed.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, cross_entropy, keras_init, nn, optim, ports, torch


def keras_model():
    """A classifier of clips of five frames."""
    clip = keras.Input((5, 10, 8, 2), name="clip")
    x = layers.TimeDistributed(layers.Conv2D(6, 3, activation="relu"), name="conv")(clip)
    x = layers.TimeDistributed(layers.MaxPooling2D(2), name="pool")(x)
    x = layers.TimeDistributed(layers.Conv2D(9, 3, padding="same", activation="relu"), name="c2")(x)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D(), name="gap")(x)
    x = layers.TimeDistributed(layers.Dense(8, activation="relu"), name="frame")(x)
    x = layers.LSTM(7, name="lstm")(x)
    model = keras.Model(clip, layers.Dense(4, name="action")(x))
    model.compile(optimizers.RMSprop(2e-3), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _clips(unfold):
    class ClipNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.cnn = nn.Sequential(
                nn.Conv2d(2, 6, 3),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Conv2d(6, 9, 3, padding=1),
                nn.ReLU(),
                nn.AdaptiveAvgPool2d((1, 1)),
                nn.Flatten(),
                nn.Linear(9, 8),
                nn.ReLU(),
            )
            self.lstm = nn.LSTM(8, 7, batch_first=True)
            self.action = nn.Linear(7, 4)
            keras_init(self)
            nn.init.xavier_uniform_(self.lstm.weight_ih_l0)
            nn.init.orthogonal_(self.lstm.weight_hh_l0)
            self.lstm.bias_ih_l0.data = torch.eye(4)[1].repeat_interleave(7)  # forget gate: 1
            self.lstm.bias_hh_l0.data.zero_()
            self.lstm.bias_hh_l0.requires_grad_(False)

        def forward(self, clip):  # (N, T, C, H, W)
            n, t, c, h, w = clip.shape
            frames = self.cnn(clip.view(n * t, c, h, w))
            out, _ = self.lstm(unfold(frames, n, t))
            return self.action(out[:, -1])

    net = ClipNet()
    params = [p for p in net.parameters() if p.requires_grad]
    return Port(
        net,
        loss=cross_entropy,
        optimizer=optim.RMSprop(params, learning_rate=2e-3),
        feed=lambda clip: torch.from_numpy(clip).permute(0, 1, 4, 2, 3),
    )


right_port, faulty_port = ports(
    _clips,
    lambda frames, n, t: frames.view(n, t, -1),
    lambda frames, n, t: frames.view(t, n, -1).transpose(0, 1),
)
