"""Tags of a sequence: the module returns softmax, the loss is NLL of torch.log of it.

The faulty twin adds 1e-6 to the probabilities before the logarithm.
"""

from benchmarks.held_out.keras_side import keras, layers, optimizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, torch

LENGTH, CHANNELS, TAGS = 15, 8, 4


def keras_model():
    inputs = keras.Input((LENGTH, CHANNELS))
    x = layers.Conv1D(16, 3, padding="same", activation="relu", name="conv_a")(inputs)
    x = layers.Conv1D(16, 5, padding="same", activation="relu", name="conv_b")(x)
    x = layers.Dropout(0.3)(x)
    tags = layers.Dense(TAGS, activation="softmax", name="tags")(x)
    model = keras.Model(inputs, tags, name="tagger")
    model.compile(optimizers.SGD(0.2), "sparse_categorical_crossentropy")
    return model


def _port(add):
    class Tagger(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_a = nn.Conv1d(CHANNELS, 16, 3, padding="same")
            self.conv_b = nn.Conv1d(16, 16, 5, padding="same")
            self.drop = nn.Dropout(0.3)
            self.tags = nn.Linear(16, TAGS)
            keras_init(self)

        def forward(self, x):
            x = x.transpose(1, 2)
            x = F.relu(self.conv_a(x))
            x = F.relu(self.conv_b(x))
            x = self.drop(x.transpose(1, 2))
            return torch.softmax(self.tags(x), dim=-1)

    def loss(probs, y):
        log_probs = torch.log(probs + add)
        return F.nll_loss(log_probs.reshape(-1, TAGS), y.reshape(-1).long())

    net = Tagger()
    return Port(
        net,
        loss=loss,
        optimizer=torch.optim.SGD(net.parameters(), lr=0.2),
        feed=lambda x: torch.from_numpy(x),
    )


def right_port():
    return _port(0.0)


def faulty_port():
    return _port(1e-6)
