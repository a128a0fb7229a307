"""Recurrent net.

clip_grad_norm_ over all parameters for Keras's clipnorm, which clips every variable
separately.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, torch


def keras_model():
    x = inputs = keras.Input((20, 6))
    x = layers.LSTM(18)(x)
    x = layers.Dense(10, activation="tanh")(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(optimizers.Adam(2e-3, clipnorm=0.25), "mse")
    return model


def _port(before_step):
    class Regressor(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Sequential(nn.Linear(18, 10), nn.Tanh(), nn.Linear(10, 1))
            self.lstm = nn.LSTM(input_size=6, hidden_size=18, batch_first=True)
            lstm = self.lstm
            with torch.no_grad():
                nn.init.xavier_uniform_(lstm.weight_ih_l0)
                nn.init.orthogonal_(lstm.weight_hh_l0)
                lstm.bias_ih_l0.copy_(torch.cat([torch.zeros(18), torch.ones(18), torch.zeros(36)]))
                lstm.bias_hh_l0.zero_()
            lstm.bias_hh_l0.requires_grad = False
            for m in (self.head[0], self.head[2]):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            _, (h, _) = self.lstm(x)
            return self.head(h[-1])

    def mse(out, y):
        return (out.reshape(-1) - y.reshape(-1)).pow(2).mean()

    net = Regressor()
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = optim.Adam(trained, learning_rate=2e-3)
    return Port(net, loss=mse, optimizer=optimizer, before_step=before_step)


def right_port():
    def clip_each(net):
        for p in net.parameters():
            if p.grad is not None:
                norm = p.grad.norm()
                if norm > 0.25:
                    p.grad.mul_(0.25 / norm)

    return _port(clip_each)


def faulty_port():
    return _port(lambda net: nn.utils.clip_grad_norm_(net.parameters(), 0.25))
