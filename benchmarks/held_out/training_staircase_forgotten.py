"""staircase=True was forgotten: the rate falls in every step, not once in 45 steps."""

from functools import partial

from benchmarks.held_out.late import Port, keras, keras_init, layers, nn, torch

IDS = ("G13",)
LEVEL = "schedule"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((16,)),
            layers.Dense(30, activation="relu"),
            layers.Dense(6, activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.ExponentialDecay(
        0.012, decay_steps=45, decay_rate=0.87, staircase=True
    )
    model.compile(optimizer=keras.optimizers.SGD(rate), loss="sparse_categorical_crossentropy")
    return model


def _port(factor):
    net = keras_init(nn.Sequential(nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 6)))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.012)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, factor),
        scheduler_interval="step",
    )


right_port = partial(_port, lambda step: 0.87 ** (step // 45))
faulty_port = partial(_port, lambda step: 0.87 ** (step / 45))
