"""Forecast of a load curve: two LSTMs with dropout in between, a Dense layer, Huber loss.

Style: one nn.LSTM with num_layers=2 and dropout, its second biases frozen at zero, last step by
out[:, -1]. Mistake of the twin: nn.SmoothL1Loss(beta) in the place of Huber(delta), which is a
factor 1 / delta larger.
"""


def keras_model():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((24, 5)),
            layers.LSTM(16, return_sequences=True),
            layers.Dropout(0.2),
            layers.LSTM(16),
            layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), loss=keras.losses.Huber(delta=0.5))
    return model


def _port(smooth_l1):
    import torch
    from torch import nn

    from torch_impl import Port, optim

    class Forecaster(nn.Module):
        def __init__(self, features=5, hidden=16):
            super().__init__()
            self.rnn = nn.LSTM(features, hidden, num_layers=2, dropout=0.2, batch_first=True)
            self.out = nn.Linear(hidden, 1)
            for name, p in self.rnn.named_parameters():
                if "weight_ih" in name:
                    nn.init.xavier_uniform_(p)
                elif "weight_hh" in name:
                    nn.init.orthogonal_(p)
                else:
                    nn.init.zeros_(p)
                    if "bias_ih" in name:
                        with torch.no_grad():
                            p[hidden : 2 * hidden] = 1.0
                    else:
                        p.requires_grad_(False)
            nn.init.xavier_uniform_(self.out.weight)
            nn.init.zeros_(self.out.bias)

        def forward(self, x):
            y, _ = self.rnn(x)
            return self.out(y[:, -1])

    net = Forecaster()
    criterion = nn.SmoothL1Loss(beta=0.5) if smooth_l1 else nn.HuberLoss(delta=0.5)
    trainable = [p for p in net.parameters() if p.requires_grad]
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.view_as(out).to(out.dtype)),
        optimizer=optim.Adam(trainable, learning_rate=1e-3),
        feed=torch.as_tensor,
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
