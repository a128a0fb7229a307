"""A frozen encoder with weight_norm, which Keras has as plain layers with the same kernels.

An own load sets the kernel through the parametrization. The load of the faulty twin sets only the
direction, and leaves the norms as they were. (With trained weights this pair could not be right:
weight_norm trains directions and norms, and Keras's layers have no such weights.)
"""

from benchmarks.held_out.keras_side import keras, layers, losses
from benchmarks.held_out.torch_side import F, Port, cross_entropy, nn, ports, torch


def keras_model():
    """Only the head is trained."""
    inputs = keras.Input((10, 13, 3))
    x = layers.Conv2D(9, 3, activation="relu", trainable=False, name="conv")(inputs)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(16, activation="tanh", trainable=False, name="features")(x)
    model = keras.Model(inputs, layers.Dense(4, name="head")(x))
    model.compile(keras.optimizers.SGD(0.1), losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _set_all(module, kernel):
    module.weight = kernel  # both the norms and the direction


def _set_direction(module, kernel):
    module.parametrizations.weight.original1.copy_(kernel)


def _port(set_kernel):
    weight_norm = nn.utils.parametrizations.weight_norm

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            conv, features, self.head = nn.Conv2d(3, 9, 3), nn.Linear(9, 16), nn.Linear(16, 4)
            for module in (conv, features, self.head):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)
            self.conv, self.features = weight_norm(conv), weight_norm(features)
            self.conv.requires_grad_(False)
            self.features.requires_grad_(False)

        def forward(self, x):
            x = F.relu(self.conv(x)).mean(dim=(2, 3))
            return self.head(torch.tanh(self.features(x)))

    @torch.no_grad()
    def load(net, weights):
        w = {name: torch.as_tensor(value) for name, value in weights.items()}
        set_kernel(net.conv, w["conv.kernel"].permute(3, 2, 0, 1))
        set_kernel(net.features, w["features.kernel"].T)
        net.head.weight.copy_(w["head.kernel"].T)
        for name in ("conv", "features", "head"):
            getattr(net, name).bias.copy_(w[f"{name}.bias"])

    net = Classifier()
    optimizer = torch.optim.SGD(net.head.parameters(), lr=0.1)
    return Port(net, loss=cross_entropy, optimizer=optimizer, load=load)


right_port, faulty_port = ports(_port, _set_all, _set_direction)
