"""A custom weight loader transposes the Dense after Flatten, but does not reorder its rows."""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    model = keras_sequential(
        keras.Input((10, 14, 2)),
        layers.Conv2D(6, 3, activation="relu", name="conv1"),
        layers.MaxPooling2D(2),
        layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(16, activation="relu", name="fc1"),
        layers.Dense(4, name="fc2"),
    )
    model.compile("adam", losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def _make(reorder):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(2, 6, 3)
            self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
            self.fc1 = nn.Linear(48, 16)
            self.fc2 = nn.Linear(16, 4)
            keras_init(self)

        def forward(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.max_pool2d(F.relu(self.conv2(x)), 2)
            x = F.relu(self.fc1(x.flatten(1)))
            return self.fc2(x)

    def load(net, weights):
        def tensor(name):
            return torch.as_tensor(weights[name])

        with torch.no_grad():
            for name in ("conv1", "conv2"):
                layer = getattr(net, name)
                layer.weight.copy_(tensor(f"{name}.kernel").permute(3, 2, 0, 1))
                layer.bias.copy_(tensor(f"{name}.bias"))
            kernel = tensor("fc1.kernel")
            if reorder:
                kernel = kernel.reshape(2, 3, 8, 16).permute(2, 0, 1, 3).reshape(48, 16)
            net.fc1.weight.copy_(kernel.T)
            net.fc1.bias.copy_(tensor("fc1.bias"))
            net.fc2.weight.copy_(tensor("fc2.kernel").T)
            net.fc2.bias.copy_(tensor("fc2.bias"))

    return Port(Net(), load=load)


right_port, faulty_port = ports(_make, True, False)
