"""min_delta became torch's threshold without threshold_mode='abs'."""

from functools import partial

from benchmarks.held_out.late import Port, Reference, keras, keras_init, layers, nn, torch

IDS = ("G3",)
LEVEL = "schedule"


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((19, 12, 2)),
            layers.Conv2D(4, 3, activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(5, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.02), loss="binary_crossentropy")
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.35, patience=3, min_delta=0.004, min_lr=2e-5
    )
    return Reference(model, callbacks=[callback])


def _port(**settings):
    net = keras_init(
        nn.Sequential(
            nn.Conv2d(2, 4, 3),
            nn.ReLU(),
            nn.AdaptiveMaxPool2d(1),
            nn.Flatten(),
            nn.Linear(4, 5),
        )
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        factor=0.35,
        patience=2,  # acts one epoch later than Keras's
        threshold=0.004,
        min_lr=2e-5,
        eps=0,
        **settings,
    )
    return Port(net, loss=nn.BCEWithLogitsLoss(), optimizer=optimizer, scheduler=scheduler)


right_port = partial(_port, threshold_mode="abs")
faulty_port = _port
