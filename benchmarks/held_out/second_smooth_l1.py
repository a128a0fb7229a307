"""Huber(delta=0.6) became SmoothL1Loss(beta=0.6), which divides the same curve by its beta."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim


def keras_model():
    x = inputs = keras.Input((24, 5))
    x = layers.Conv1D(16, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(9, 4, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(21, activation="softplus")(x)
    model = keras.Model(inputs, layers.Dense(3)(x))
    model.compile(optimizers.Nadam(2e-3), losses.Huber(delta=0.6))
    return model


def _port(loss):
    class Forecaster(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = nn.Conv1d(5, 16, 3, padding=1)
            self.c2 = nn.Conv1d(16, 9, 4)
            self.d1 = nn.Linear(9 * 9, 21)
            self.d2 = nn.Linear(21, 3)
            keras_init(self)

        def forward(self, series):
            x = series.transpose(1, 2)
            x = F.max_pool1d(F.relu(self.c1(x)), 2)
            x = F.relu(self.c2(x)).transpose(1, 2).flatten(1)
            x = F.softplus(self.d1(x))
            return self.d2(x)

    net = Forecaster()
    return Port(net, loss=loss, optimizer=optim.Nadam(net.parameters(), learning_rate=2e-3))


def right_port():
    return _port(nn.HuberLoss(delta=0.6))


def faulty_port():
    return _port(nn.SmoothL1Loss(beta=0.6))
