"""Huber(delta=0.35) became SmoothL1Loss(beta=0.35): the same divided by delta."""

from benchmarks.held_out.late import Port, keras, keras_init, layers, nn, torch

IDS = ("D13",)
LEVEL = "loss"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((9,)),
            layers.Dense(32, activation="swish"),
            layers.Dense(16, activation="elu"),
            layers.Dense(3),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.03), loss=keras.losses.Huber(delta=0.35))
    return model


def _port(loss):
    net = keras_init(
        nn.Sequential(nn.Linear(9, 32), nn.SiLU(), nn.Linear(32, 16), nn.ELU(), nn.Linear(16, 3))
    )
    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.03))


def right_port():
    return _port(nn.HuberLoss(delta=0.35))


def faulty_port():
    return _port(nn.SmoothL1Loss(beta=0.35))
