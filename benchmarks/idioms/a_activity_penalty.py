"""activity_regularizer=L1 is a penalty in the loss of the port, on activations that it keeps.

Keras divides the sum by the number of samples. The faulty twin takes the mean of all values.
"""

from benchmarks.held_out.keras_side import keras, layers, regularizers
from benchmarks.held_out.torch_side import F, Port, keras_init, nn, ports, torch


def keras_model():
    """A sparse autoencoder."""
    inputs = keras.Input((22,))
    code = layers.Dense(
        30, activation="relu", activity_regularizer=regularizers.L1(1e-2), name="code"
    )(inputs)
    model = keras.Model(inputs, layers.Dense(22, name="decoded")(code))
    model.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    return model


def _sparse_autoencoder(penalty):
    class SparseAutoencoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = nn.Linear(22, 30)
            self.decoder = nn.Linear(30, 22)
            self.code = None  # activations of the last batch, for the penalty
            keras_init(self)

        def forward(self, x):
            self.code = F.relu(self.encoder(x))
            return self.decoder(self.code)

    net = SparseAutoencoder()

    def loss(decoded, x):
        return F.mse_loss(decoded, x) + 1e-2 * penalty(net.code)

    return Port(net, loss=loss, optimizer=torch.optim.SGD(net.parameters(), lr=0.1))


right_port, faulty_port = ports(
    _sparse_autoencoder,
    lambda code: code.abs().sum() / code.shape[0],
    lambda code: code.abs().mean(),
)
