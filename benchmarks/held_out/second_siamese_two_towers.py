"""Siamese network.

The port has two towers with separate weights; in Keras one tower is called twice.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import keras_init, nn, ports, torch


def keras_model():
    tower = keras_sequential(
        keras.Input((24, 20, 1)),
        layers.Conv2D(10, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Conv2D(14, 3, activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(18, activation="tanh"),
        name="tower",
    )
    left, right = keras.Input((24, 20, 1), name="left"), keras.Input((24, 20, 1), name="right")
    x = layers.Multiply()([tower(left), tower(right)])
    model = keras.Model([left, right], layers.Dense(1, activation="sigmoid")(x))
    model.compile(optimizers.Adam(5e-4), "binary_crossentropy")
    return model


def _net(shared):
    def tower():
        return nn.Sequential(
            nn.Conv2d(1, 10, 5),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(10, 14, 3),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
            nn.Linear(14, 18),
            nn.Tanh(),
        )

    class Siamese(nn.Module):
        def __init__(self):
            super().__init__()
            self.tower = tower()
            if not shared:
                self.tower2 = tower()
            self.out = nn.Linear(18, 1)
            keras_init(self)

        def forward(self, left, right):
            a = self.tower(left)
            b = self.tower(right) if shared else self.tower2(right)
            return torch.sigmoid(self.out(a * b))

    return Siamese()


right_port, faulty_port = ports(_net, True, False)
