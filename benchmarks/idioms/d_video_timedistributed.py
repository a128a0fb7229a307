"""Short clips: TimeDistributed convolution and pooling per frame, a GRU, a softmax, Adagrad.

Style: time folded into the batch by flatten(0, 1) and unfolded by view; AdaptiveAvgPool; one-hot
targets. Mistake of the twin: frames are unfolded as (time, batch) and transposed, which mixes the
samples.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((5, 10, 12, 2))
    x = layers.TimeDistributed(layers.Conv2D(8, 3, activation="relu"))(inputs)
    x = layers.TimeDistributed(layers.GlobalAveragePooling2D())(x)
    x = layers.GRU(12)(x)
    outputs = layers.Dense(4, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adagrad(0.02), loss="categorical_crossentropy")
    return model


def _port(time_first):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class ClipNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.frame = nn.Sequential(
                nn.Conv2d(2, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
            )
            self.rnn = nn.GRU(8, 12, batch_first=True)
            self.fc = nn.Linear(12, 4)
            nn.init.xavier_uniform_(self.frame[0].weight)
            nn.init.zeros_(self.frame[0].bias)
            nn.init.xavier_uniform_(self.rnn.weight_ih_l0)
            nn.init.orthogonal_(self.rnn.weight_hh_l0)
            nn.init.zeros_(self.rnn.bias_ih_l0)
            nn.init.zeros_(self.rnn.bias_hh_l0)
            nn.init.xavier_uniform_(self.fc.weight)
            nn.init.zeros_(self.fc.bias)

        def forward(self, clips):
            n, t = clips.shape[:2]
            f = self.frame(clips.flatten(0, 1))
            f = f.view(t, n, -1).transpose(0, 1) if time_first else f.view(n, t, -1)
            _, h = self.rnn(f)
            return self.fc(h.squeeze(0))

    net = ClipNet()
    return Port(
        net,
        loss=lambda out, y: -(y * out.log_softmax(1)).sum(1).mean(),
        optimizer=optim.Adagrad(net.parameters(), learning_rate=0.02),
        feed=lambda x: torch.from_numpy(x).permute(0, 1, 4, 2, 3),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
