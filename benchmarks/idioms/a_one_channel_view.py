"""Images of one channel go into a Linear by x.view(x.size(0), -1), beside a branch of convolutions.

The faulty twin has no padding in the second convolution, which the global pool behind it hides.
"""

from benchmarks.held_out.keras_side import keras, layers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, optim, ports, torch


def keras_model():
    """Pixels and texture, side by side."""
    image = keras.Input((12, 10, 1))
    pixels = layers.Flatten()(image)
    pixels = layers.Dense(40, activation="relu")(pixels)
    pixels = layers.Dense(16, activation="relu")(pixels)
    texture = layers.Conv2D(8, 3, padding="same", activation="relu")(image)
    texture = layers.Conv2D(12, 3, padding="same", activation="relu")(texture)
    texture = layers.GlobalAveragePooling2D()(texture)
    both = layers.concatenate([pixels, texture])
    model = keras.Model(image, layers.Dense(1)(both))
    model.compile(keras.optimizers.RMSprop(1e-3), keras.losses.BinaryCrossentropy(from_logits=True))
    return model


def _two_branches(padding):
    class TwoBranches(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(12 * 10, 40)
            self.fc2 = nn.Linear(40, 16)
            self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
            self.conv2 = nn.Conv2d(8, 12, 3, padding=padding)
            self.out = nn.Linear(16 + 12, 1)

        def forward(self, x):
            a = x.view(x.size(0), -1)
            a = F.relu(self.fc1(a))
            a = F.relu(self.fc2(a))
            b = F.relu(self.conv1(x))
            b = F.relu(self.conv2(b))
            b = b.mean(dim=[2, 3])
            return self.out(torch.cat((a, b), dim=1))

    net = keras_init(TwoBranches())
    return Port(
        net,
        loss=F.binary_cross_entropy_with_logits,
        optimizer=optim.RMSprop(net.parameters(), learning_rate=1e-3),
    )


right_port, faulty_port = ports(_two_branches, 1, 0)
