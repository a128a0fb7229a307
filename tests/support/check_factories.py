"""Factories of both halves for `parity check`; frameworks are imported where they are used.

`keras_net` and `torch_net` are the network of `check_pairs`.
"""

from functools import partial


def keras_net():
    import keras

    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dense(4, activation="relu", name="dense1"),
            keras.layers.Dropout(0.5, name="dropout"),
            keras.layers.Dense(3, activation="sigmoid", name="dense2"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.25), "mean_squared_error")
    return model


def keras_images():
    """34,000 weights on images of 32 by 32: its activations are 100 times as large as they are."""
    import keras
    from keras import layers

    blocks = []
    for filters in (32, 32, 64):
        blocks += [
            layers.Conv2D(filters, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
        ]
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *blocks,
            layers.GlobalAveragePooling2D(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(), "sparse_categorical_crossentropy")
    return model


def keras_own_loss():
    model = keras_net()
    model.compile("sgd", loss=cubed)
    return model


def cubed(y, p):
    import keras

    return keras.ops.mean(keras.ops.abs(y - p) ** 3, -1)


def keras_two_outputs():
    import keras

    x = keras.Input((5,))
    return keras.Model(x, [keras.layers.Dense(2)(x), keras.layers.Dense(3)(x)])


def torch_module():
    from torch import nn

    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 3), nn.Sigmoid())
    for number in (0, 3):
        nn.init.xavier_uniform_(net[number].weight)
        nn.init.zeros_(net[number].bias)
    return net


def torch_net():
    import torch

    from torch_impl import Port

    net = torch_module()
    return Port(net, torch.nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.25))


def torch_tanh():
    """A port with another activation."""
    from torch import nn

    net = torch_module()
    net[1] = nn.Tanh()
    return net


def torch_other_shapes():
    from torch import nn

    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def torch_single(epsilon=1e-3):
    """A port of `keras_normed` that has no float64, as kernels for one dtype have none."""
    import torch
    from torch import nn

    from torch_impl import Port

    class Single(nn.Module):
        def forward(self, x):
            if x.dtype != torch.float32:
                raise TypeError(f"expected float32, got {x.dtype}")
            return x * 1.0

    net = nn.Sequential(
        nn.Linear(5, 16), Single(), nn.BatchNorm1d(16, epsilon, 0.01), nn.ReLU(), nn.Linear(16, 3)
    )
    for number in (0, 4):
        nn.init.xavier_uniform_(net[number].weight)
        nn.init.zeros_(net[number].bias)
    return Port(net, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.25))


torch_single_other_epsilon = partial(torch_single, 1e-5)


def keras_normed():
    import keras
    from keras import layers

    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(16),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.25), "sparse_categorical_crossentropy")
    return model


def torch_raises_in_forward():
    from torch import nn

    class Net(nn.Module):
        def forward(self, x):
            raise KeyError("in forward")

    return Net()


def torch_raises_in_loss():
    from torch_impl import Port

    def loss(output, target):
        raise ArithmeticError("in the loss")

    return Port(torch_module(), loss)


def raises():
    raise LookupError("the factory is broken\nin two lines")


def returns_none():
    return None


def leaves():
    raise SystemExit(4)


def needs(size, *, depth):
    raise AssertionError("not called")


class Nets:
    @staticmethod
    def torch_net():
        return torch_net()
