"""The small MNIST network of pytorch/examples (and of keras-examples).

Adadelta and a rate that falls per epoch. Three mistakes.

Style: pytorch/examples mnist: conv1, conv2, dropout1, fc1, functional calls, flatten, log_softmax
and F.nll_loss, StepLR. Mistakes: 1. nn.Dropout2d for the first dropout, which drops whole channels;
2. torch.optim.Adadelta with its own rho of 0.9; 3. StepLR with gamma 0.7 of the PyTorch example
instead of 0.5.
"""


def keras_model():
    import keras
    from keras import layers

    from keras_impl import Reference

    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            layers.Conv2D(8, (3, 3), activation="relu"),
            layers.Conv2D(12, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="log_softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adadelta(learning_rate=1.0),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return Reference(
        model, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.5**epoch)]
    )


def _port(first_dropout, make_optimizer, gamma):
    import torch
    import torch.nn.functional as F
    from torch import nn
    from torch.optim.lr_scheduler import StepLR

    from torch_impl import Port, optim

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3, 1)
            self.conv2 = nn.Conv2d(8, 12, 3, 1)
            self.dropout1 = first_dropout(nn)(0.25)
            self.dropout2 = nn.Dropout(0.5)
            self.fc1 = nn.Linear(192, 32)
            self.fc2 = nn.Linear(32, 10)
            for m in (self.conv1, self.conv2, self.fc1, self.fc2):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = F.relu(self.conv1(x))
            x = F.relu(self.conv2(x))
            x = F.max_pool2d(x, 2)
            x = self.dropout1(x)
            x = torch.flatten(x, 1)
            x = self.dropout2(F.relu(self.fc1(x)))
            return F.log_softmax(self.fc2(x), dim=1)

    model = Net()
    optimizer = make_optimizer(optim, torch.optim, model.parameters())
    return Port(
        model,
        loss=lambda output, target: F.nll_loss(output, target.view(-1).long()),
        optimizer=optimizer,
        scheduler=StepLR(optimizer, step_size=1, gamma=gamma),
    )


def right_port():
    return _port(
        lambda nn: nn.Dropout,
        lambda ours, theirs, params: ours.Adadelta(params, learning_rate=1.0),
        0.5,
    )


def faulty_port():
    return _port(
        lambda nn: nn.Dropout2d,
        lambda ours, theirs, params: theirs.Adadelta(params, lr=1.0, eps=1e-7),
        0.7,
    )
