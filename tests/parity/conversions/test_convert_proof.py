"""A place is proved only if the output depends on the weight that is there."""

from types import SimpleNamespace

import pytest
import torch
from conversions import default_dtype
from rows import each_row
from torch import nn

from parity.conversions.proof import most_of, without_effect
from parity.halves.torch.port.carried import PAIRING, Carried
from torch_impl.layouts import variables


class FakePort:
    """What `proof` asks of a port; it has no states to forget."""

    def __init__(self, module):
        self.module = module.double()
        self.outputs = SimpleNamespace(of=lambda returned: returned)
        self.forget_states = lambda: None

    def returned_for(self, arguments):
        return self.module(*arguments)

    def arguments(self, purpose):
        draw = torch.Generator().manual_seed(1)
        return (torch.randn(4, 3, generator=draw, dtype=torch.float64),)


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.idle = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x):
        return self.used(x)


@each_row(
    "module, lost",
    [
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2)), set()),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), set()),
        (Branches, {"idle"}),
    ],
    ids=["all count", "statistics count", "a branch that is not called"],
)
def test_what_has_no_effect_is_named(module, lost):
    with default_dtype():
        net = module()
        items = [Carried(v.name, v, PAIRING) for v in variables(net)]
        found = without_effect(FakePort(net), items)
    assert {name.partition("/")[0] for name in found} == lost


@each_row(
    "noise, has_float32, most",
    [
        (0.0, False, 1e-10),
        (1e-9, False, 3e-8),  # thirty times, as in a check
        (1e-3, False, 1e-6),  # which limits it
        (0.0, True, 1e-6),
        (2.7e-6, True, 5.4e-6),  # twice
        (1e-3, True, 1e-5),
    ],
)
def test_an_output_may_be_off_by_what_rounding_was_measured_to_change(noise, has_float32, most):
    facts = {"noise": {"forward/eval/output": noise}, "dtype": "float64"}
    trace = SimpleNamespace(facts=facts)
    assert most_of(trace, has_float32=has_float32) == pytest.approx(most)
