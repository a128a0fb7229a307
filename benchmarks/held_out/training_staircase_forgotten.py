"""staircase=True was forgotten: the rate falls in every step, not once in 45 steps."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, ports, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((16,)),
        layers.Dense(30, activation="relu"),
        layers.Dense(6, activation="softmax"),
    )
    rate = optimizers.schedules.ExponentialDecay(
        0.012, decay_steps=45, decay_rate=0.87, staircase=True
    )
    model.compile(optimizers.SGD(rate), "sparse_categorical_crossentropy")
    return model


def _port(factor):
    net = torch_sequential(nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 6))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.012)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(optimizer, factor),
        scheduler_interval="step",
    )


right_port, faulty_port = ports(
    _port, lambda step: 0.87 ** (step // 45), lambda step: 0.87 ** (step / 45)
)
