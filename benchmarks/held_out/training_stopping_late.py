"""A handwritten early stopping ends after more than `patience` bad epochs.

Keras ends one epoch earlier.
"""

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((14,)),
        layers.Dense(22, activation="tanh"),
        layers.Dropout(0.15),
        layers.Dense(4, activation="softmax"),
    )
    model.compile(optimizers.Adam(0.0021), "sparse_categorical_crossentropy", metrics=["accuracy"])
    callback = keras.callbacks.EarlyStopping(
        monitor="val_accuracy", mode="max", min_delta=0.00125, patience=6, start_from_epoch=3
    )
    return Reference(model, callbacks=[callback])


def _port(is_over):
    class EarlyStopper:
        def __init__(self, patience, min_delta, start):
            self.patience, self.min_delta, self.start = patience, min_delta, start
            self.best, self.bad, self.epoch = None, 0, -1

        def step(self, value):
            self.epoch += 1
            if self.epoch < self.start:
                return False
            if self.best is None or value - self.min_delta > self.best:
                self.best, self.bad = value, 0
                return False
            self.bad += 1
            return is_over(self.bad, self.patience)

    net = torch_sequential(nn.Linear(14, 22), nn.Tanh(), nn.Dropout(0.15), nn.Linear(22, 4))
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.0021),
        early_stopping=EarlyStopper(patience=6, min_delta=0.00125, start=3),
        monitor="val_accuracy",
    )


right_port, faulty_port = ports(
    _port, lambda bad, patience: bad >= patience, lambda bad, patience: bad > patience
)
