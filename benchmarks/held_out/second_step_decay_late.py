"""Step decay with floor((1 + epoch) / 7).

This usual Keras recipe became StepLR(7): one epoch late.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    import math

    def step_decay(epoch):
        return 0.04 * math.pow(0.5, math.floor((1 + epoch) / 7))

    x = inputs = keras.Input((15, 21, 3))
    x = layers.Conv2D(10, (5, 3), strides=(2, 1), activation="relu")(x)
    x = layers.MaxPooling2D((1, 2))(x)
    x = layers.Conv2D(12, 3, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(18, activation="relu")(x)
    model = keras.Model(inputs, layers.Dense(4)(x))
    model.compile(optimizers.SGD(0.04), losses.SparseCategoricalCrossentropy(from_logits=True))
    return Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(step_decay)])


def _port(make_scheduler):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc2 = nn.Linear(18, 4)
            self.fc1 = nn.Linear(12 * 4 * 7, 18)
            self.conv2 = nn.Conv2d(10, 12, 3)
            self.conv1 = nn.Conv2d(3, 10, (5, 3), stride=(2, 1))
            keras_init(self)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), (1, 2))
            x = F.relu(self.conv2(x))
            x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
            return self.fc2(F.relu(self.fc1(x)))

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.04)
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer),
        target=lambda y: torch.as_tensor(y).long().reshape(-1),
    )


def right_port():
    from torch.optim.lr_scheduler import LambdaLR

    return _port(lambda optimizer: LambdaLR(optimizer, lambda epoch: 0.5 ** ((1 + epoch) // 7)))


def faulty_port():
    from torch.optim.lr_scheduler import StepLR

    return _port(lambda optimizer: StepLR(optimizer, step_size=7, gamma=0.5))
