"""A place is proved only if the output depends on the weight that is there."""

import pytest
import torch
from conversions import default_dtype
from torch import nn

from torch_impl.harness.convert.proof import without_effect
from torch_impl.harness.port.carried import PAIRING, Carried
from torch_impl.layouts import variables


class FakePort:
    """What `proof` asks of a port."""

    def __init__(self, module):
        self.module = module.double()
        self.outputs = self

    def of(self, returned):
        return returned

    def forget_states(self):
        """It has none."""

    def arguments(self, purpose):
        draw = torch.Generator().manual_seed(1)
        return (torch.randn(4, 3, generator=draw, dtype=torch.float64),)


def items(module):
    return [Carried(v.name, v, PAIRING) for v in variables(module)]


@pytest.mark.parametrize(
    ("module", "lost"),
    [
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)), []),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), []),
        (lambda: nn.ModuleDict({"used": nn.Linear(3, 2), "idle": nn.Linear(3, 2)}), ["idle"]),
    ],
    ids=["all count", "statistics count", "a branch that is not called"],
)
def test_what_has_no_effect_is_named(module, lost):
    with default_dtype():
        net = module()
        if isinstance(net, nn.ModuleDict):
            net.forward = net["used"].forward
        found = without_effect(FakePort(net), items(net))
    assert sorted({name.partition("/")[0] for name in found}) == lost
