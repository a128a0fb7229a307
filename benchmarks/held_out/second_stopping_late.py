"""Handwritten EarlyStopping.

It stops when wait > patience, one epoch later than Keras's wait >= patience.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, ports, torch


def keras_model():
    x = inputs = keras.Input((13,))
    x = layers.Dense(17)(x)
    x = layers.LeakyReLU()(x)
    x = layers.Dense(11)(x)
    x = layers.LeakyReLU(negative_slope=0.15)(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(optimizers.SGD(0.015), "mae")
    callback = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=4, min_delta=0.01, start_from_epoch=2
    )
    return Reference(model, callbacks=[callback])


def _port(is_over):
    import numpy as np

    class EarlyStopper:
        def __init__(self, patience, min_delta, start_from_epoch):
            self.patience, self.min_delta = patience, min_delta
            self.start_from_epoch = start_from_epoch
            self.epoch, self.wait, self.best = -1, 0, None

        def step(self, value):
            self.epoch += 1
            if self.epoch < self.start_from_epoch:
                return False
            self.wait += 1
            # Keras compares in float32
            if self.best is None or np.float32(value + self.min_delta) < np.float32(self.best):
                self.best, self.wait = value, 0
                return False
            return self.epoch > 0 and is_over(self.wait, self.patience)

    net = nn.Sequential(
        *(nn.Linear(13, 17), nn.LeakyReLU(0.3), nn.Linear(17, 11), nn.LeakyReLU(0.15)),
        nn.Linear(11, 1),
    )
    keras_init(net)
    return Port(
        net,
        loss=lambda out, y: nn.functional.l1_loss(out, y.reshape(out.shape)),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.015),
        early_stopping=EarlyStopper(patience=4, min_delta=0.01, start_from_epoch=2),
    )


right_port, faulty_port = ports(
    _port, lambda wait, patience: wait >= patience, lambda wait, patience: wait > patience
)
