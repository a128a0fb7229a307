"""Wrappers are taken off, and lazy parameters are made."""

import pytest
import torch
from torch import nn

from parity.halves.torch.port.feeding import build_lazy, has_lazy, unwrapped

# Of torch's own compiler, while it is imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")


def inner():
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU())


@pytest.fixture(autouse=True)
def _compiles_as_before():
    yield
    torch.compiler.set_stance("default")


WRAPPERS = {
    "none": lambda net: net,
    "compiled": torch.compile,
    "parallel": nn.DataParallel,
    "both": lambda net: torch.compile(nn.DataParallel(net)),
}


@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=WRAPPERS)
def test_the_module_in_a_wrapper_is_itself(wrap):
    net = inner()
    assert unwrapped(wrap(net)) is net
    outer = nn.Sequential(wrap(net), nn.Flatten())
    assert (unwrapped(outer), outer[0]) == (outer, net)  # modules are equal to themselves alone
    assert list(outer.state_dict()) == ["0.0.weight", "0.0.bias"]


def test_what_is_compiled_in_place_is_run_as_it_is():
    net = inner()
    net[0].compile()
    net.compile()
    assert unwrapped(net)._compiled_call_impl is None
    assert net[0]._compiled_call_impl is None


def test_lazy_parameters_are_made_and_nothing_else_changes():
    net = nn.Sequential(nn.LazyConv1d(4, 3), nn.LazyBatchNorm1d(), nn.Flatten(), nn.LazyLinear(2))
    net.train()
    assert has_lazy(net)
    build_lazy(net, lambda: (torch.randn(2, 3, 6),))
    assert (has_lazy(net), net.training) == (False, True)
    assert (net[0].weight.shape, net[1].num_batches_tracked) == ((4, 3, 3), 0)
    assert (net[1].running_mean == 0).all()


def test_a_module_without_lazy_parameters_is_not_run():
    build_lazy(inner(), lambda: pytest.fail("it was asked for arguments"))
