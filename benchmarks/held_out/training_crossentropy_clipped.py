"""A handwritten crossentropy clips probabilities at 1e-7.

Keras does not clip if it finds the logits.
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers, optimizers
from benchmarks.held_out.torch_side import Port, keras_init, nn, optim


def keras_model():
    model = keras_sequential(
        keras.Input((30, 5)),
        layers.Conv1D(8, 4, activation="relu"),
        layers.MaxPooling1D(3),
        layers.Conv1D(11, 2, activation="relu"),
        layers.GlobalMaxPooling1D(),
        layers.Dense(5, activation="softmax"),
    )
    model.compile(optimizers.Nadam(0.002), "categorical_crossentropy")
    return model


def _port(loss):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv1d(5, 8, 4)
            self.pool = nn.MaxPool1d(3)
            self.conv2 = nn.Conv1d(8, 11, 2)
            self.head = nn.Linear(11, 5)

        def forward(self, x):  # (N, time, features)
            x = self.pool(self.conv1(x.permute(0, 2, 1)).relu())
            x = self.conv2(x).relu()
            return self.head(x.amax(-1))

    net = keras_init(Net())
    return Port(net, loss=loss, optimizer=optim.Nadam(net.parameters(), learning_rate=0.002))


def right_port():
    def loss(logits, y):
        return -(y * logits.log_softmax(1)).sum(1).mean()

    return _port(loss)


def faulty_port():
    def loss(logits, y):
        p = logits.softmax(1).clamp(1e-7, 1 - 1e-7)
        return -(y * p.log()).sum(1).mean()

    return _port(loss)
