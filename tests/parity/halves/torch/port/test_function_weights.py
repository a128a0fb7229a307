"""What a function is called with is read and set in the parameter that it comes from."""

import torch
import torch.nn.functional as F
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.calls import recorded_calls
from torch_impl.weights import put


def net_of(shape, call):
    """A parameter, a function of it, and one call."""
    values = torch.arange(1.0, torch.Size(shape).numel() + 1).reshape(shape)
    return Net(lambda net, x: call(x, net.table), table=nn.Parameter(values))


def variables_of(shape, call, x):
    net = net_of(shape, call)
    with torch.no_grad(), recorded_calls(net, lambda number, x, rate: x) as calls:
        output = net(x)
    return net, [v for made in calls for v in made.variables], output


X = torch.tensor([[1.0, -2.0, 0.5], [2.0, 1.0, -1.0]])
# The same product, x @ K with a kernel K of 3 rows and 4 columns.
PRODUCTS = {
    "linear": ((4, 3), lambda x, w: F.linear(x, w)),
    "named": ((4, 3), lambda x, w: F.linear(input=x, weight=w)),
    "matmul": ((3, 4), lambda x, w: x @ w),
    "turned": ((4, 3), lambda x, w: x @ w.T),
    "t": ((4, 3), lambda x, w: torch.matmul(x, w.t())),
    "transpose": ((4, 3), lambda x, w: torch.mm(x, w.transpose(0, 1).contiguous())),
    "viewed": ((12,), lambda x, w: x @ w.view(4, 3).mT),
    "squeezed": ((1, 3, 4), lambda x, w: x @ w.squeeze(0)),
    "double": ((3, 4), lambda x, w: x.double() @ w.double()),
    "addmm": ((3, 4), lambda x, w: torch.addmm(torch.zeros(4), x, w)),
    "einsum": ((3, 4), lambda x, w: torch.einsum("ni,io->no", x, w)),
    "einsum_turned": ((4, 3), lambda x, w: torch.einsum("ni,oi->no", x, w)),
    "tensordot": ((3, 4), lambda x, w: torch.tensordot(x, w, dims=1)),
    "tensordot_turned": ((4, 3), lambda x, w: torch.tensordot(x, w, dims=([1], [1]))),
    "times_constant": ((4, 3), lambda x, w: F.linear(x, w * 1.0)),
}


@each_row("shape, call", PRODUCTS.values(), ids=PRODUCTS)
def test_a_product_with_a_parameter_is_a_dense_layer(shape, call):
    net, (variable,), output = variables_of(shape, call, X)
    kernel = variable.to_keras(variable.tensors)
    assert (variable.name, tuple(kernel.shape), variable.trainable) == ("kernel", (3, 4), True)
    assert torch.allclose(X @ kernel.to(X.dtype), output.to(X.dtype))
    assert_is_set(net, variable)


def assert_is_set(net, variable):
    """Another kernel that is set is that of the net."""
    other = torch.randn(3, 4)
    with torch.no_grad():
        put(variable, net.table, *variable.to_torch(other))
    assert torch.allclose(net(X).to(X.dtype), X @ other, atol=1e-6)


def test_a_part_of_a_parameter_is_set_alone():
    net, (variable,), _ = variables_of((4, 5), lambda x, w: x @ w[:, :3].T, X)
    assert tuple(variable.to_keras(variable.tensors).shape) == (3, 4)
    rest = net.table[:, 3:].detach().clone()
    assert_is_set(net, variable)
    assert torch.equal(net.table[:, 3:], rest)


def test_a_convolution_has_the_layout_of_the_module():
    x = torch.randn(2, 4, 6, 5)
    _, (dense, *_), _ = variables_of((3, 4, 2, 2), lambda x, w: F.conv2d(x, w), x)
    assert tuple(dense.to_keras(dense.tensors).shape) == (2, 2, 4, 3)
    _, (depthwise,), _ = variables_of((8, 1, 2, 2), lambda x, w: F.conv2d(x, w, groups=4), x)
    assert tuple(depthwise.to_keras(depthwise.tensors).shape) == (2, 2, 4, 2)


def test_statistics_and_their_weights_are_those_of_batch_normalisation():
    net = Net(
        lambda net, x: F.batch_norm(x, net.m, net.v, net.g, net.b, net.training),
        g=nn.Parameter(torch.ones(3)),
        b=nn.Parameter(torch.zeros(3)),
    )
    net.register_buffer("m", torch.zeros(3))
    net.register_buffer("v", torch.ones(3))
    with torch.no_grad(), recorded_calls(net, lambda number, x, rate: x) as calls:
        net(X)
    assert {v.name: (v.attributes[0], v.trainable) for v in calls[0].variables} == {
        "gamma": ("g", True),
        "beta": ("b", True),
        "moving_mean": ("m", False),
        "moving_variance": ("v", False),
    }


def test_a_parameter_that_is_added_is_listed_as_it_is():
    _, (variable,), _ = variables_of((1, 3), lambda x, w: x + w.expand(2, -1), X)
    assert (variable.name, tuple(variable.tensors[0].shape)) == ("table", (1, 3))
