"""Siamese network for one-shot recognition: the L1 distance of two encodings, then a sigmoid.

The faulty twin squares the difference.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, nn, optim, torch


def keras_model():
    encoder = keras_sequential(
        keras.Input((14, 13, 1)),
        layers.Conv2D(8, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(11, 3, activation="relu"),
        layers.Flatten(),
        layers.Dense(20, activation="sigmoid"),
        name="encoder",
    )
    left, right = keras.Input((14, 13, 1)), keras.Input((14, 13, 1))
    distance = layers.Lambda(lambda pair: keras.ops.abs(pair[0] - pair[1]))(
        [encoder(left), encoder(right)]
    )
    same = layers.Dense(1, activation="sigmoid")(distance)
    model = keras.Model([left, right], same)
    model.compile(optimizers.Adam(6e-4), "binary_crossentropy")
    return model


def _siamese(distance):
    class Siamese(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(1, 8, 3)
            self.conv2 = nn.Conv2d(8, 11, 3)
            self.fc = nn.Linear(11 * 4 * 3, 20)
            self.out = nn.Linear(20, 1)
            for m in (self.conv1, self.conv2, self.fc, self.out):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward_once(self, x):
            x = F.max_pool2d(F.relu(self.conv1(x)), 2)
            x = F.relu(self.conv2(x))
            return torch.sigmoid(self.fc(x.view(x.size(0), -1)))

        def forward(self, x1, x2):
            # the logit: Keras's loss takes it from behind the sigmoid
            return self.out(distance(self.forward_once(x1), self.forward_once(x2)))

    net = Siamese()
    return Port(
        net,
        loss=lambda p, y: F.binary_cross_entropy_with_logits(p, y.to(p.dtype).view_as(p)),
        optimizer=optim.Adam(net.parameters(), learning_rate=6e-4),
    )


def right_port():
    return _siamese(lambda a, b: torch.abs(a - b))


def faulty_port():
    return _siamese(lambda a, b: (a - b).pow(2))
