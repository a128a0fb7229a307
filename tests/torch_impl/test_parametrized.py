"""A weight that a module computes has the value that it is given, and its gradient can be read."""

import pytest
import torch
from covering import one_test
from torch import nn
from torch.nn.utils import parametrizations, weight_norm

from torch_impl.parametrized import (
    forget_gradients,
    keep_gradients,
    kept_gradient,
    set_computed,
)
from torch_impl.weights import assign, read

NORMED = {
    "parametrized": lambda: parametrizations.weight_norm(nn.Linear(3, 2).double()),
    "other_axis": lambda: parametrizations.weight_norm(nn.Linear(3, 2).double(), dim=1),
    "by_a_hook": lambda: weight_norm(nn.Linear(3, 2).double()),
}


@one_test
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated")
@pytest.mark.parametrize("make", NORMED.values(), ids=NORMED)
def test_a_normed_weight_has_the_value_that_it_is_given(make):
    net, value = make(), torch.randn(3, 2, dtype=torch.float64)
    assert assign(net, {"kernel": value.numpy()}) == {"kernel"}
    x = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(net(x), x @ value + net.bias, rtol=1e-14, atol=1e-14)
    assert read(net)["kernel"].shape == (3, 2)


def test_a_weight_that_cannot_be_inverted_is_refused():
    net = nn.Linear(3, 2)
    nn.utils.parametrize.register_parametrization(net, "weight", nn.Tanh())
    with pytest.raises(ValueError, match="cannot be set"):
        set_computed(net, "weight", torch.ones(2, 3))
    orthogonal = parametrizations.orthogonal(nn.Linear(3, 3))
    with pytest.raises(ValueError, match=r"cannot (be set|give it)"):
        set_computed(orthogonal, "weight", torch.arange(9.0).reshape(3, 3))


def test_the_gradient_of_the_weight_itself_is_kept_over_all_its_uses():
    net = parametrizations.weight_norm(nn.Linear(3, 2, bias=False).double())
    keep_gradients(net)
    keep_gradients(net)  # once is enough
    weight = net.weight.detach().clone().requires_grad_()
    x = torch.randn(4, 3, dtype=torch.float64)
    (net(x).pow(2).sum() + net(2 * x).sum()).backward()
    ((x @ weight.T).pow(2).sum() + (2 * x @ weight.T).sum()).backward()
    torch.testing.assert_close(kept_gradient(net, "weight"), weight.grad)
    torch.testing.assert_close(torch.from_numpy(read(net, gradient=True)["kernel"]), weight.grad.T)
    forget_gradients(net)
    assert kept_gradient(net, "weight") is None
    assert kept_gradient(net, "no_such_weight") is None
