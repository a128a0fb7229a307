"""Huber(delta=0.35) became SmoothL1Loss(beta=0.35): the same divided by delta."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((9,)),
        layers.Dense(32, activation="swish"),
        layers.Dense(16, activation="elu"),
        layers.Dense(3),
    )
    model.compile(optimizers.SGD(0.03), losses.Huber(delta=0.35))
    return model


def _port(loss):
    net = torch_sequential(
        nn.Linear(9, 32), nn.SiLU(), nn.Linear(32, 16), nn.ELU(), nn.Linear(16, 3)
    )
    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.03))


def right_port():
    return _port(nn.HuberLoss(delta=0.35))


def faulty_port():
    return _port(nn.SmoothL1Loss(beta=0.35))
