"""LearningRateScheduler that ignores the rate of compile, which is left at its default.

The faulty twin takes SGD's default of 0.01 from compile as base of the schedule; Keras trains with
0.03 from the first step.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    a = keras.Input((20, 6), name="signal")
    x = layers.Conv1D(10, 5, activation="relu")(a)
    x = layers.MaxPooling1D(2)(x)
    x = layers.Conv1D(12, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(a, layers.Dense(2)(x))
    model.compile(optimizer="sgd", loss="mse")
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.03 / (1 + 0.5 * epoch))
    return Reference(model, callbacks=[callback])


def _port(lr):
    class Signal(nn.Module):
        def __init__(self):
            super().__init__()
            self.c1 = nn.Conv1d(6, 10, 5)
            self.c2 = nn.Conv1d(10, 12, 3)
            self.fc = nn.Linear(12, 2)

        def forward(self, x):
            x = F.max_pool1d(torch.relu(self.c1(x)), 2)
            x = torch.relu(self.c2(x))
            return self.fc(x.mean(-1))

    net = keras_init(Signal())
    opt = torch.optim.SGD(net.parameters(), lr=lr)
    return Port(
        net,
        loss=F.mse_loss,
        optimizer=opt,
        scheduler=torch.optim.lr_scheduler.LambdaLR(opt, lambda epoch: 1 / (1 + 0.5 * epoch)),
        feed=lambda x: torch.from_numpy(x).transpose(1, 2),
    )


def right_port():
    return _port(0.03)


def faulty_port():
    return _port(0.01)
