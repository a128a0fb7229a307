"""BCEWithLogitsLoss on logits, for sigmoid and binary crossentropy in Keras.

The faulty twin keeps the sigmoid at the end of the module: the loss applies a second one.
"""

from benchmarks.held_out.keras_side import keras, layers, losses, optimizers
from benchmarks.held_out.torch_side import Port, nn, optim, torch


def keras_model():
    wide, deep = keras.Input((5,), name="wide"), keras.Input((13,), name="deep")
    x = layers.Dense(26, activation="relu")(deep)
    x = layers.Dense(18, activation="relu")(x)
    x = layers.Concatenate()([wide, x])
    outputs = layers.Dense(3, activation="sigmoid")(x)
    model = keras.Model([wide, deep], outputs)
    model.compile(
        optimizer=optimizers.RMSprop(learning_rate=2e-3),
        loss=losses.BinaryCrossentropy(),
    )
    return model


def _port(last):
    class WideAndDeep(nn.Module):
        def __init__(self):
            super().__init__()
            self.deep = nn.Sequential(nn.Linear(13, 26), nn.ReLU(), nn.Linear(26, 18), nn.ReLU())
            self.out = nn.Linear(18 + 5, 3)
            self.last = last
            self.apply(self._init)

        @staticmethod
        def _init(m):
            if isinstance(m, nn.Linear):
                nn.init.xavier_uniform_(m.weight)
                nn.init.zeros_(m.bias)

        def forward(self, wide, deep):
            x = torch.cat([wide, self.deep(deep)], dim=1)
            return self.last(self.out(x))

    net = WideAndDeep()
    bce = nn.BCEWithLogitsLoss()
    return Port(
        net,
        loss=lambda out, y: bce(out, y.to(out.dtype)),
        optimizer=optim.RMSprop(net.parameters(), learning_rate=2e-3),
    )


def right_port():
    return _port(nn.Identity())


def faulty_port():
    return _port(nn.Sigmoid())
