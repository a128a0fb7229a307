"""ReduceLROnPlateau without the min_lr=0.01 of the Keras callback.

The rate falls below the floor.
"""

from benchmarks.held_out.keras_side import Reference, keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, ports, torch


def keras_model():
    x = inputs = keras.Input((18, 14, 2))
    x = layers.ZeroPadding2D(((0, 1), (2, 1)))(x)
    x = layers.Conv2D(13, 3, strides=2, activation="swish")(x)
    x = layers.Conv2D(9, 3, activation="swish")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(2)(x))
    model.compile(optimizers.SGD(0.08), "mse")
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", factor=0.2, patience=3, min_delta=0.002, cooldown=1, min_lr=0.01
    )
    return Reference(model, callbacks=[callback])


def _port(**floor):
    from torch_impl.schedule import ReduceLROnPlateau

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(2, 13, 3, stride=2)
            self.conv2 = nn.Conv2d(13, 9, 3)
            self.fc = nn.Linear(9, 2)
            for p in self.parameters():
                nn.init.xavier_uniform_(p) if p.ndim > 1 else nn.init.zeros_(p)

        def forward(self, x):
            x = F.pad(x, (2, 1, 0, 1))
            x = F.silu(self.conv1(x))
            x = F.silu(self.conv2(x))
            return self.fc(x.mean(dim=(-2, -1)))

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.08)
    scheduler = ReduceLROnPlateau(
        optimizer, factor=0.2, patience=3, min_delta=0.002, cooldown=1, **floor
    )
    return Port(
        net, loss=nn.MSELoss(), optimizer=optimizer, scheduler=scheduler, monitor="val_loss"
    )


right_port, faulty_port = ports(_port, {"min_lr": 0.01}, {})
