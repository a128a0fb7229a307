"""Attention gate.

The port keeps the attention map for plots with .detach(), and continues with the detached one.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    inputs = keras.Input((24, 32, 2))
    skip = layers.Conv2D(12, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D()(skip)
    x = layers.Conv2D(22, 3, padding="same", activation="relu")(x)
    theta = layers.Conv2D(9, 1, strides=2, use_bias=False)(skip)
    phi = layers.Conv2D(9, 1)(x)
    a = layers.ReLU()(layers.Add()([theta, phi]))
    a = layers.Conv2D(1, 1, activation="sigmoid")(a)
    a = layers.UpSampling2D(2)(a)
    gated = layers.Multiply()([skip, a])
    x = layers.UpSampling2D(2)(x)
    x = layers.Concatenate()([x, gated])
    x = layers.Conv2D(11, 3, padding="same", activation="relu")(x)
    model = keras.Model(inputs, layers.Conv2D(2, 1)(x))
    model.compile(optimizers.SGD(0.1), "mse")
    return model


def _port(keep):
    class AttentionGate(nn.Module):
        def __init__(self, f_x, f_g, f_int):
            super().__init__()
            self.W_g = nn.Conv2d(f_g, f_int, 1)
            self.W_x = nn.Conv2d(f_x, f_int, 1, stride=2, bias=False)
            self.psi = nn.Conv2d(f_int, 1, 1)
            self.attention = None

        def forward(self, x, g):
            q = torch.relu(self.W_x(x) + self.W_g(g))
            alpha = torch.sigmoid(self.psi(q))
            alpha = F.interpolate(alpha, scale_factor=2, mode="nearest")
            alpha = keep(self, alpha)
            return x * alpha

    class AttentionUNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.enc = nn.Conv2d(2, 12, 3, padding=1)
            self.mid = nn.Conv2d(12, 22, 3, padding=1)
            self.gate = AttentionGate(12, 22, 9)
            self.dec = nn.Conv2d(34, 11, 3, padding=1)
            self.out = nn.Conv2d(11, 2, 1)
            keras_init(self)

        def forward(self, x):
            skip = F.relu(self.enc(x))
            g = F.relu(self.mid(F.max_pool2d(skip, 2)))
            up = F.interpolate(g, scale_factor=2)
            x = torch.cat([up, self.gate(skip, g)], dim=1)
            return self.out(F.relu(self.dec(x)))

    net = AttentionUNet()
    return Port(
        net,
        loss=lambda out, y: F.mse_loss(out.permute(0, 2, 3, 1), y),
        optimizer=torch.optim.SGD(net.parameters(), lr=0.1),
    )


def right_port():
    def keep(gate, alpha):
        gate.attention = alpha.detach()
        return alpha

    return _port(keep)


def faulty_port():
    def keep(gate, alpha):
        gate.attention = alpha.detach()
        return gate.attention

    return _port(keep)
