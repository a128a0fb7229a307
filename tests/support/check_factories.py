"""Factories of both halves for `parity check`; frameworks are imported where they are used.

`keras_net` and `torch_net` are the network of `check_pairs`.
"""


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


def keras_not_compiled():
    import keras

    model = keras_net()
    return keras.Sequential([keras.Input((5,)), *model.layers])


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


NOT_A_FUNCTION = 3
