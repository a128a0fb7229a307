"""A decoder has Linear and view(c, h, w) for Dense and Reshape((h, w, c)); an own load reorders.

The load of the faulty twin reorders the columns of the kernel, but not the bias.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch


def keras_model():
    """From 6 numbers to an image of 8 x 12."""
    model = keras_sequential(
        keras.Input((6,)),
        layers.Dense(4 * 6 * 8, activation="relu", name="project"),
        layers.Reshape((4, 6, 8), name="reshape"),
        layers.Conv2DTranspose(5, 4, strides=2, padding="same", activation="leaky_relu", name="up"),
        layers.Conv2D(1, 3, padding="same", name="image"),
    )
    model.compile(keras.optimizers.SGD(0.05), "mse")
    return model


def _generator():
    class Generator(nn.Module):
        def __init__(self, latent=6):
            super().__init__()
            self.project = nn.Linear(latent, 8 * 4 * 6)
            self.up = nn.ConvTranspose2d(8, 5, 4, stride=2, padding=1)
            self.image = nn.Conv2d(5, 1, 3, padding=1)
            keras_init(self)

        def forward(self, z):
            x = F.relu(self.project(z)).view(-1, 8, 4, 6)
            x = F.leaky_relu(self.up(x), 0.2)
            return self.image(x)

    return Generator()


def _to_channels_first(rows):
    """Returns rows in the order (c, h, w) that come in the order (h, w, c)."""
    return rows.unflatten(0, (4, 6, 8)).movedim(2, 0).flatten(0, 2)


def _port(project_bias):
    @torch.no_grad()
    def load(net, weights):
        w = {name: torch.as_tensor(value) for name, value in weights.items()}
        net.project.weight.copy_(_to_channels_first(w["project.kernel"].T))
        net.project.bias.copy_(project_bias(w["project.bias"]))
        net.up.weight.copy_(w["up.kernel"].permute(3, 2, 0, 1))
        net.up.bias.copy_(w["up.bias"])
        net.image.weight.copy_(w["image.kernel"].permute(3, 2, 0, 1))
        net.image.bias.copy_(w["image.bias"])

    def loss(image, target):
        return (image - target.movedim(-1, 1)).pow(2).mean()

    net = _generator()
    sgd = torch.optim.SGD(net.parameters(), lr=0.05)
    return Port(net, loss=loss, optimizer=sgd, load=load)


def right_port():
    """Kernel and bias are reordered."""
    return _port(_to_channels_first)


def faulty_port():
    """The bias stays as it is."""
    return _port(lambda bias: bias)
