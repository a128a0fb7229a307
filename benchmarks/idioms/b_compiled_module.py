"""The port hands over the module that torch.compile returned.

The faulty twin leaves the slope of leaky ReLU at torch's default, 0.01; Keras's default is 0.3.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, losses, optimizers
from benchmarks.held_out.torch_side import F, Port, cross_entropy, keras_init, nn, torch


def keras_model():
    model = keras_sequential(
        keras.Input((14, 20, 3)),
        layers.Conv2D(12, 3),
        layers.LeakyReLU(),
        layers.MaxPooling2D(2),
        layers.Conv2D(20, 3),
        layers.LeakyReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(5),
    )
    model.compile(
        optimizer=optimizers.SGD(learning_rate=0.03),
        loss=losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return model


def _build(slope):
    class SmallNet(nn.Module):
        def __init__(self, in_ch=3, n_classes=5):
            super().__init__()
            self.conv1 = nn.Conv2d(in_ch, 12, kernel_size=3)
            self.conv2 = nn.Conv2d(12, 20, kernel_size=3)
            self.head = nn.Linear(20, n_classes)

        def forward(self, x):
            x = F.leaky_relu(self.conv1(x), **slope)
            x = F.max_pool2d(x, 2)
            x = F.leaky_relu(self.conv2(x), **slope)
            return self.head(x.mean(dim=(2, 3)))

    model = keras_init(SmallNet())
    model = torch.compile(model, backend="aot_eager")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    return Port(model, loss=cross_entropy, optimizer=optimizer)


def right_port():
    return _build({"negative_slope": 0.3})


def faulty_port():
    return _build({})
