"""CosineDecay became CosineAnnealingLR.

It rises again after T_max steps; Keras's rate stays at its end.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, torch


def keras_model():
    x = inputs = keras.Input((16, 16, 1))
    x = layers.SeparableConv2D(11, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.SeparableConv2D(17, 3, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    rate = optimizers.schedules.CosineDecay(0.05, decay_steps=60, alpha=0.05)
    model.compile(optimizers.SGD(rate), losses.BinaryCrossentropy(from_logits=True))
    return model


def _port(make_scheduler):
    class SeparableConv(nn.Module):
        def __init__(self, cin, cout, padding):
            super().__init__()
            self.depthwise = nn.Conv2d(cin, cin, 3, padding=padding, groups=cin, bias=False)
            self.pointwise = nn.Conv2d(cin, cout, 1)
            nn.init.xavier_uniform_(self.depthwise.weight)
            nn.init.xavier_uniform_(self.pointwise.weight)
            nn.init.zeros_(self.pointwise.bias)

        def forward(self, x):
            return torch.relu(self.pointwise(self.depthwise(x)))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.sep1 = SeparableConv(1, 11, padding=1)
            self.pool = nn.MaxPool2d(3, stride=2)
            self.sep2 = SeparableConv(11, 17, padding=0)
            self.out = nn.Linear(17, 1)
            nn.init.xavier_uniform_(self.out.weight)
            nn.init.zeros_(self.out.bias)

        def forward(self, x):
            x = self.sep2(self.pool(self.sep1(x)))
            return self.out(x.mean((2, 3)))

    def loss(out, y):
        bce = nn.functional.binary_cross_entropy_with_logits
        return bce(out.reshape(-1), y.reshape(-1).to(out.dtype))

    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    return Port(
        net,
        loss=loss,
        optimizer=optimizer,
        scheduler=make_scheduler(optimizer),
        scheduler_interval="step",
    )


def right_port():
    from torch_impl.schedule import CosineDecay, as_lambda_lr

    decay = CosineDecay(0.05, decay_steps=60, alpha=0.05)
    return _port(lambda optimizer: as_lambda_lr(optimizer, decay))


def faulty_port():
    from torch.optim.lr_scheduler import CosineAnnealingLR

    return _port(lambda optimizer: CosineAnnealingLR(optimizer, T_max=60, eta_min=0.05 * 0.05))
