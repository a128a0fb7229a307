"""An object that makes steps by itself is an optimizer of torch: its hooks, its rate."""

import pytest
import torch
from rows import each_row
from torch import nn

from torch_impl import Port
from torch_impl.errors import PortError


class Plain:
    """SGD without torch's class."""

    def __init__(self, parameters, rate, name="lr", factor=1.0):
        self.params, self.name, self.factor = list(parameters), name, factor
        setattr(self, name, rate)

    @torch.no_grad()
    def step(self):
        for parameter in self.params:
            parameter -= getattr(self, self.name) * parameter.grad
        setattr(self, self.name, getattr(self, self.name) * self.factor)
        return "made"


def trained(**how):
    """A port and its own optimizer, with gradients of one."""
    module = nn.Linear(2, 1, bias=False)
    module.weight.data.zero_()
    module.weight.grad = torch.ones_like(module.weight)
    own = Plain(module.parameters(), 0.5, **how)
    return Port(module, optimizer=own).optimizer, own, module.weight.detach()


@each_row("name", ["lr", "learning_rate", "rate"])
def test_steps_of_the_object_call_the_hooks_and_read_the_rate_of_either(name):
    optimizer, own, weight = trained(name=name)
    assert isinstance(optimizer, torch.optim.Optimizer)
    assert type(optimizer).__name__ == "Plain"
    rates = []
    optimizer.register_step_post_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    assert own.step() == "made"
    setattr(own, name, 0.25)  # the loop sets its rate
    own.step()
    optimizer.param_groups[0]["lr"] = 2.0  # whoever knows optimizers of torch does
    optimizer.step()
    assert (rates, float(weight[0, 0])) == ([0.5, 0.25, 2.0], -2.75)


def test_a_rate_that_the_object_changes_in_its_step_is_the_next_one():
    optimizer, own, weight = trained(factor=0.5)
    own.step()
    assert optimizer.param_groups[0]["lr"] == 0.25
    own.step()
    assert float(weight[0, 0]) == -0.75


@each_row("own", [object(), nn.Linear(1, 1), Plain([], "fast")])
def test_what_makes_no_steps_or_has_no_rate_is_refused(own):
    with pytest.raises(PortError, match=r"expected one of torch, or an object that has step\(\)"):
        Port(nn.Linear(2, 1), optimizer=own)
