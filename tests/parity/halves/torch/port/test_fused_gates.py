"""A product with an activation of the same tensor is an activation; any other product is none."""

import torch
import torch.nn.functional as F
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.calls import recorded_calls


def calls_of(function):
    torch.manual_seed(0)
    net = Net(lambda net, x: function(net.fc(x)), fc=nn.Linear(3, 3))
    with torch.no_grad(), recorded_calls(net, lambda n, x, rate: x) as calls:
        net(torch.randn(2, 3))
    return calls


PRODUCTS = {
    "silu": (lambda x: x * torch.sigmoid(x), "activation:silu", F.silu),
    "silu_turned": (lambda x: torch.sigmoid(x).mul(x), "activation:silu", F.silu),
    "mish": (lambda x: x * torch.tanh(F.softplus(x)), "activation:mish", F.mish),
    "hard_silu": (lambda x: x * F.hardsigmoid(x), "activation:hard_silu", F.hardswish),
}


@each_row("function, kind, whole", PRODUCTS.values(), ids=PRODUCTS)
def test_a_gate_of_a_tensor_by_itself_is_one_activation(function, kind, whole):
    calls = calls_of(function)
    found = calls[-1]
    assert (found.kind, found.sources) == (kind, [0])
    assert len(found.inputs) == 1
    assert not [call for call in calls[:-1] if call.kind.startswith("activation:")]
    x = torch.randn(4, 3)
    torch.testing.assert_close(found.run(x), whole(x))


OTHERS = {
    "gate_of_another": lambda x: x * torch.sigmoid(2 * x),
    "tanh": lambda x: x * torch.tanh(x),
    "two": lambda x: torch.sigmoid(x) * torch.relu(x),
}


@each_row("function", OTHERS.values(), ids=OTHERS)
def test_another_product_stays_a_product(function):
    assert calls_of(function)[-1].kind == "multiply"


def test_a_function_with_its_own_gradient_passes_on_where_its_input_came_from():
    class Doubled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.tensor(2 * x.numpy())

        @staticmethod
        def backward(ctx, slope):
            return 2 * slope

    before = torch.autograd.Function.__dict__["apply"]
    calls = calls_of(lambda x: torch.relu(Doubled.apply(x)))
    assert calls[-1].kind == "activation:relu"
    assert calls[-1].origins != [None]
    assert torch.autograd.Function.__dict__["apply"] is before
