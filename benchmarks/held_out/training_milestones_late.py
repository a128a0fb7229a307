"""The epochs of a LearningRateScheduler were counted from 1: cuts come one epoch late."""

from benchmarks.held_out.keras_side import Reference, keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, ports, torch, torch_sequential


def _schedule(epoch, rate):
    return rate * 0.6 if epoch in (4, 11, 12) else rate


def keras_model():
    model = keras_sequential(
        keras.Input((12, 16, 1)),
        layers.Conv2D(3, 3, padding="same", activation="relu"),
        layers.AveragePooling2D(4),
        layers.Flatten(),
        layers.Dense(2),
    )
    model.compile(optimizers.SGD(0.05, momentum=0.7), "mse")
    return Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(_schedule)])


def _port(milestones):
    net = torch_sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.ReLU(),
        nn.AvgPool2d(4),
        nn.Flatten(),
        nn.Linear(3 * 3 * 4, 2),
    )
    optimizer = optim.SGD(net.parameters(), learning_rate=0.05, momentum=0.7)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.6)
    return Port(net, loss=nn.MSELoss(), optimizer=optimizer, scheduler=scheduler)


right_port, faulty_port = ports(_port, [4, 11, 12], [5, 12, 13])
