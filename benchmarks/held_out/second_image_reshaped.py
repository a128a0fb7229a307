"""Image and table: the port feeds the image with reshape(N, C, H, W) instead of a permutation."""

from benchmarks.held_out.late import F, Port, keras, layers, nn, optim, torch

IDS = ("H13",)
LEVEL = "data"


def keras_model():
    image, table = keras.Input((18, 26, 3), name="image"), keras.Input((7,), name="table")
    x = layers.Conv2D(10, 5, strides=2, activation="relu")(image)
    x = layers.Conv2D(16, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    t = layers.Dense(12, activation="relu")(table)
    x = layers.Concatenate()([x, t])
    x = layers.Dense(20, activation="relu")(x)
    model = keras.Model([image, table], layers.Dense(2)(x))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="mse")
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
            for m in self.children():
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

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
