"""The epochs of a LearningRateScheduler were counted from 1: cuts come one epoch late."""

from functools import partial

from benchmarks.held_out.late import Port, Reference, keras, keras_init, layers, nn, optim, torch

IDS = ("G9",)
LEVEL = "schedule"


def _schedule(epoch, rate):
    return rate * 0.6 if epoch in (4, 11, 12) else rate


def keras_model():
    model = keras.Sequential(
        [
            keras.Input((12, 16, 1)),
            layers.Conv2D(3, 3, padding="same", activation="relu"),
            layers.AveragePooling2D(4),
            layers.Flatten(),
            layers.Dense(2),
        ]
    )
    model.compile(optimizer=keras.optimizers.SGD(0.05, momentum=0.7), loss="mse")
    return Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(_schedule)])


def _port(milestones):
    net = keras_init(
        nn.Sequential(
            nn.Conv2d(1, 3, 3, padding=1),
            nn.ReLU(),
            nn.AvgPool2d(4),
            nn.Flatten(),
            nn.Linear(3 * 3 * 4, 2),
        )
    )
    optimizer = optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.7)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.6)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer, scheduler=scheduler)


right_port = partial(_port, [4, 11, 12])
faulty_port = partial(_port, [5, 12, 13])
