"""Tabular regression with a hand-written weight-normalised Dense layer in Keras.

Style: torch.nn.utils.parametrizations.weight_norm around nn.Linear, weights put in by `load`.
Mistake of the twin: the gains stay at torch's start, the norms of the rows, where Keras's layer
starts them at one.
"""


def keras_model():
    import keras
    from keras import layers, ops

    class WeightNormDense(layers.Layer):
        def __init__(self, units, activation=None, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.activation = keras.activations.get(activation)

        def build(self, shape):
            self.v = self.add_weight(
                name="v", shape=(shape[-1], self.units), initializer="glorot_uniform"
            )
            self.g = self.add_weight(name="g", shape=(self.units,), initializer="ones")
            self.b = self.add_weight(name="b", shape=(self.units,), initializer="zeros")

        def call(self, x):
            w = self.v * (self.g / ops.sqrt(ops.sum(ops.square(self.v), axis=0)))
            return self.activation(ops.matmul(x, w) + self.b)

        def compute_output_shape(self, shape):
            return (*shape[:-1], self.units)

    inputs = keras.Input((13,))
    x = WeightNormDense(32, "tanh", name="wn1")(inputs)
    x = layers.Dropout(0.1)(x)
    x = WeightNormDense(24, "tanh", name="wn2")(x)
    outputs = layers.Dense(2, name="head")(x)
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(1e-3), loss="mean_squared_error")
    return model


def _port(norms_of_rows):
    import torch
    from torch import nn
    from torch.nn.utils.parametrizations import weight_norm

    from torch_impl import Port, optim

    def wn_linear(n_in, n_out):
        linear = nn.Linear(n_in, n_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        linear = weight_norm(linear)
        if not norms_of_rows:
            nn.init.ones_(linear.parametrizations.weight.original0)
        return linear

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = wn_linear(13, 32)
            self.fc2 = wn_linear(32, 24)
            self.head = nn.Linear(24, 2)
            self.dropout = nn.Dropout(0.1)
            nn.init.xavier_uniform_(self.head.weight)
            nn.init.zeros_(self.head.bias)

        def forward(self, x):
            x = self.dropout(torch.tanh(self.fc1(x)))
            return self.head(torch.tanh(self.fc2(x)))

    @torch.no_grad()
    def load(net, weights):
        def put(parameter, array):
            parameter.copy_(torch.as_tensor(array).reshape(parameter.shape))

        for fc, name in ((net.fc1, "wn1"), (net.fc2, "wn2")):
            put(fc.parametrizations.weight.original1, weights[f"{name}.v"].T)
            put(fc.parametrizations.weight.original0, weights[f"{name}.g"])
            put(fc.bias, weights[f"{name}.b"])
        put(net.head.weight, weights["head.kernel"].T)
        put(net.head.bias, weights["head.bias"])

    net = Net()
    return Port(net, loss=nn.MSELoss(), optimizer=optim.Adam(net.parameters(), 1e-3), load=load)


def right_port():
    return _port(False)


def faulty_port():
    return _port(True)
