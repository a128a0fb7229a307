"""Colour classifier with a standardising layer of its own, PReLU, rate cut by a callback.

Style: buffers of float32 constants, nn.PReLU(C) started at zero, functional max pool, LambdaLR once
per epoch against LearningRateScheduler. Mistake of the twin: the decay begins one epoch late.
"""

MEAN = [0.485, 0.456, 0.406]
STD = [0.229, 0.224, 0.225]


def keras_model():
    import keras
    import numpy as np
    from keras import layers, ops

    from keras_impl import Reference

    class Standardize(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.mean = np.array(MEAN, "float32")
            self.std = np.array(STD, "float32")

        def call(self, x):
            return ops.divide(ops.subtract(x, self.mean), self.std)

    def scheduler(epoch, lr):
        return lr if epoch < 6 else lr * 0.9

    model = keras.Sequential(
        [
            keras.Input((18, 18, 3)),
            Standardize(),
            layers.Conv2D(10, 3),
            layers.PReLU(shared_axes=[1, 2]),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 3),
            layers.PReLU(shared_axes=[1, 2]),
            layers.GlobalMaxPooling2D(),
            layers.Dense(5, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(1e-2), loss="categorical_crossentropy")
    return Reference(model, callbacks=[keras.callbacks.LearningRateScheduler(scheduler)])


def _port(late):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", torch.tensor(MEAN, dtype=torch.float32).view(1, 3, 1, 1))
            self.register_buffer("std", torch.tensor(STD, dtype=torch.float32).view(1, 3, 1, 1))
            self.conv1 = nn.Conv2d(3, 10, 3)
            self.prelu1 = nn.PReLU(10, init=0.0)
            self.conv2 = nn.Conv2d(10, 16, 3)
            self.prelu2 = nn.PReLU(16, init=0.0)
            self.fc = nn.Linear(16, 5)
            for m in (self.conv1, self.conv2, self.fc):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, x):
            x = (x - self.mean) / self.std
            x = F.max_pool2d(self.prelu1(self.conv1(x)), 2)
            return self.fc(self.prelu2(self.conv2(x)).amax((2, 3)))

    first = 6 if late else 5
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-2)
    return Port(
        net,
        loss=lambda out, y: F.cross_entropy(out, y),
        optimizer=optimizer,
        scheduler=torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda epoch: 0.9 ** max(0, epoch - first)
        ),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
