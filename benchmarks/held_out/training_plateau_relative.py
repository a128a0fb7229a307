"""min_delta became torch's threshold without threshold_mode='abs'."""

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, ports, torch, torch_sequential


def keras_model():
    model = keras_sequential(
        keras.Input((19, 12, 2)),
        layers.Conv2D(4, 3, activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(5, activation="sigmoid"),
    )
    model.compile(optimizers.SGD(0.02), "binary_crossentropy")
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.35, patience=3, min_delta=0.004, min_lr=2e-5
    )
    return Reference(model, callbacks=[callback])


def _port(**settings):
    net = torch_sequential(
        nn.Conv2d(2, 4, 3),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 5),
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


right_port, faulty_port = ports(_port, {"threshold_mode": "abs"}, {})
