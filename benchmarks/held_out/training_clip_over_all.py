"""clipnorm, which is for each variable, became clip_grad_norm_ over all parameters."""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, torch


def keras_model():
    inputs = keras.Input((18, 14, 3))
    a = layers.Conv2D(4, 1, activation="relu")(inputs)
    b = layers.Conv2D(6, 3, padding="same", activation="relu")(inputs)
    x = layers.Concatenate()([a, b])
    x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(6)(x))
    model.compile(
        optimizers.Adam(0.003, clipnorm=0.25),
        losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _net():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.point = nn.Conv2d(3, 4, 1)
            self.wide = nn.Conv2d(3, 6, 3, padding=1)
            self.head = nn.Linear(10 * 9 * 7, 6)

        def forward(self, x):
            x = torch.cat([F.relu(self.point(x)), F.relu(self.wide(x))], dim=1)
            return self.head(torch.flatten(F.max_pool2d(x, 2), 1))

    return keras_init(Net())


def right_port():
    net = _net()
    optimizer = optim.Adam(net.parameters(), learning_rate=0.003, clipnorm=0.25)
    return Port(net, loss=nn.CrossEntropyLoss(), optimizer=optimizer)


def faulty_port():
    net = _net()
    return Port(
        net,
        loss=nn.CrossEntropyLoss(),
        optimizer=optim.Adam(net.parameters(), learning_rate=0.003),
        before_step=lambda module: nn.utils.clip_grad_norm_(module.parameters(), 0.25),
    )
