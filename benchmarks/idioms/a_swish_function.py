"""Swish is an own torch.autograd.Function that saves only its input, as in EfficientNet-PyTorch.

The backward of the faulty twin has one parenthesis in the wrong place: sig * (1 + x) * (1 - sig).
"""

from benchmarks.held_out.keras_side import keras, keras_sequential, layers
from benchmarks.held_out.torch_side import Port, keras_init, nn, torch


def keras_model():
    """A small regression on a table."""
    model = keras_sequential(
        keras.Input((13,)),
        layers.Dense(32, activation="silu"),
        layers.Dense(24, activation="silu"),
        layers.Dense(2),
    )
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    return model


def _swish_module(derivative):
    class SwishImplementation(torch.autograd.Function):
        @staticmethod
        def forward(ctx, i):
            ctx.save_for_backward(i)
            return i * torch.sigmoid(i)

        @staticmethod
        def backward(ctx, grad_output):
            (i,) = ctx.saved_tensors
            return grad_output * derivative(i, torch.sigmoid(i))

    class MemoryEfficientSwish(nn.Module):
        def forward(self, x):
            return SwishImplementation.apply(x)

    return MemoryEfficientSwish


def _port(derivative):
    swish = _swish_module(derivative)
    net = nn.Sequential(nn.Linear(13, 32), swish(), nn.Linear(32, 24), swish(), nn.Linear(24, 2))
    keras_init(net)
    return Port(net, loss=nn.MSELoss(), optimizer=torch.optim.SGD(net.parameters(), lr=0.05))


def right_port():
    """The derivative is s * (1 + x * (1 - s))."""
    return _port(lambda x, s: s * (1 + x * (1 - s)))


def faulty_port():
    """The derivative is s * (1 + x) * (1 - s)."""
    return _port(lambda x, s: s * (1 + x) * (1 - s))
