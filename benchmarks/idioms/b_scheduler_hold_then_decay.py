"""LearningRateScheduler (three epochs flat, then exponential) as LambdaLR.

The faulty twin counts the decay from one epoch later.
"""

import math

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers
from benchmarks.held_out.torch_side import Port, nn, torch, torch_sequential

BASE_LR, FLAT = 0.02, 3


def keras_model():
    def scheduler(epoch, lr):
        if epoch < FLAT:
            return BASE_LR
        return BASE_LR * math.exp(-0.15 * (epoch - FLAT + 1))

    model = keras_sequential(
        keras.Input((9,)),
        layers.Dense(32, activation="tanh"),
        layers.Dense(16, activation="tanh"),
        layers.Dense(1),
    )
    model.compile(optimizer=keras.optimizers.SGD(BASE_LR), loss="mean_absolute_error")
    return Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(scheduler)])


def _port(factor):
    net = torch_sequential(
        nn.Linear(9, 32),
        nn.Tanh(),
        nn.Linear(32, 16),
        nn.Tanh(),
        nn.Linear(16, 1),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=BASE_LR)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=factor)
    return Port(net, loss=nn.L1Loss(), optimizer=optimizer, scheduler=scheduler)


def right_port():
    return _port(lambda epoch: 1.0 if epoch < FLAT else math.exp(-0.15 * (epoch - FLAT + 1)))


def faulty_port():
    return _port(lambda epoch: 1.0 if epoch < FLAT else math.exp(-0.15 * (epoch - FLAT)))
