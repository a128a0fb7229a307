"""LeNet-like classifier of one-channel images with a max pool and an average pool.

Style: ReLU behind the max pool (cheaper), F.* functions, x.view(x.size(0), -1), hand-written step
helper. Mistake of the twin: the ReLU is moved behind the average pool as well, where it does not
commute.
"""


def keras_model():
    import keras
    from keras import layers

    inputs = keras.Input((22, 18, 1))
    x = layers.Conv2D(6, 5, activation="relu")(inputs)
    x = layers.MaxPooling2D(2)(x)
    x = layers.Conv2D(12, 3, activation="relu")(x)
    x = layers.AveragePooling2D(2)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(32, activation="tanh")(x)
    outputs = layers.Dense(7, activation="softmax")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss="sparse_categorical_crossentropy")
    return model


def _port(relu_last):
    import torch
    import torch.nn.functional as F
    from torch import nn

    from torch_impl import Port

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 6, 5)
            self.conv2 = nn.Conv2d(6, 12, 3)
            self.fc1 = nn.Linear(12 * 3 * 2, 32)
            self.fc2 = nn.Linear(32, 7)
            self.apply(self._init)

        @staticmethod
        def _init(m):
            if hasattr(m, "weight"):
                nn.init.xavier_uniform_(m.weight)
                m.bias.data.zero_()

        def forward(self, x):
            x = F.relu(F.max_pool2d(self.conv1(x), 2))
            if relu_last:
                x = F.relu(F.avg_pool2d(self.conv2(x), 2))
            else:
                x = F.avg_pool2d(F.relu(self.conv2(x)), 2)
            x = x.view(x.size(0), -1)
            return self.fc2(torch.tanh(self.fc1(x)))

    net = LeNet()
    criterion = nn.CrossEntropyLoss()
    return Port(
        net,
        loss=lambda out, y: criterion(out, y.reshape(-1).long()),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9),
    )


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
