"""Image and table: the port feeds the image with reshape(N, C, H, W) instead of a permutation."""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, torch


def keras_model():
    image, table = keras.Input((18, 26, 3), name="image"), keras.Input((7,), name="table")
    x = layers.Conv2D(10, 5, strides=2, activation="relu")(image)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    t = layers.Dense(12, activation="relu")(table)
    x = layers.Concatenate()([x, t])
    x = layers.Dense(20, activation="relu")(x)
    model = keras.Model([image, table], layers.Dense(2)(x))
    model.compile(optimizers.Adam(1e-3), "mse")
    return model


def _port(feed):
    class TwoBranches(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Linear(7, 12)
            self.conv1 = nn.Conv2d(3, 10, 5, stride=2)
            self.conv2 = nn.Conv2d(10, 16, 3)
            self.fc1 = nn.Linear(28, 20)
            self.fc2 = nn.Linear(20, 2)
            keras_init(self)

        def forward(self, image, table):
            x = F.relu(self.conv2(F.relu(self.conv1(image))))
            x = torch.mean(x, dim=[2, 3])
            x = torch.cat((x, F.relu(self.table(table))), dim=1)
            return self.fc2(F.relu(self.fc1(x)))

    net = TwoBranches()
    return Port(
        net,
        loss=nn.MSELoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=1e-3),
        feed=feed,
    )


def right_port():
    return _port(
        lambda image, table: (torch.as_tensor(image).permute(0, 3, 1, 2), torch.as_tensor(table))
    )


def faulty_port():
    return _port(
        lambda image, table: (
            torch.as_tensor(image).reshape(-1, 3, 18, 26),
            torch.as_tensor(table),
        )
    )
