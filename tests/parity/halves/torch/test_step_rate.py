"""The rate that a step uses: by torch's optimizers, by Keras's, and by those of a user's own."""

import copy

import pytest
import torch
from rows import each_row
from torch import nn

from parity.halves.torch.step_rate import StepRate, idle_step_of, step_of
from torch_impl import optim
from torch_impl.schedule import ExponentialDecay


def parameter():
    made = nn.Parameter(torch.ones(2))
    made.grad = torch.ones(2)
    return made


class Scheduled(torch.optim.SGD):
    """Sets its rate in its step: 0.5, 0.25, ..."""

    def step(self, closure=None):
        self.count = getattr(self, "count", 0) + 1
        for group in self.param_groups:
            group["lr"] = 0.5**self.count
        return super().step(closure)


class InAVariable(torch.optim.Optimizer):
    """As above, but its equations never read the rate of the group."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.5})
        self.schedule, self.count = lambda count: 0.5 ** (count + 1), 0

    @torch.no_grad()
    def step(self, closure=None):
        rate = self.schedule(self.count)
        self.count += 1
        for group in self.param_groups:
            group["lr"] = rate
            for each in group["params"]:
                each.sub_(rate * each.grad)


def behind_the_step(params):
    """A scheduler that a hook steps: its rate is that of the next step."""
    made = torch.optim.SGD(params, lr=0.5)
    scheduler = torch.optim.lr_scheduler.ExponentialLR(made, 0.5)
    made.register_step_post_hook(lambda *_: scheduler.step())
    return made


def before_the_step(params):
    """A hook sets the rate of the step that follows."""
    made, rates = torch.optim.SGD(params, lr=9.0), iter([0.5, 0.25, 0.125])
    made.register_step_pre_hook(lambda *_: made.param_groups[0].update(lr=next(rates)))
    return made


def of_keras(params):
    return optim.SGD(params, learning_rate=ExponentialDecay(0.5, 1, 0.5))


SCHEDULED = [Scheduled, InAVariable, behind_the_step, before_the_step, of_keras]


@each_row("given", [None, 0.0625])
@each_row("make", SCHEDULED)
def test_the_rate_is_that_by_which_the_weights_move(make, given):
    """One that is given is used whatever the optimizer sets, if its equations read any."""
    weight = parameter()
    optimizer = make([weight]) if make is not Scheduled else Scheduled([weight], lr=9.0)
    for own in (0.5, 0.25, 0.125):
        expected = own if given is None or make is InAVariable else given
        before = weight.detach().clone()
        assert step_of(optimizer, given) == expected
        torch.testing.assert_close(before - weight.detach(), torch.full((2,), expected))
        assert given is None or optimizer.param_groups[0]["lr"] == given or make is not InAVariable


def test_groups_keep_their_ratio_to_a_given_rate():
    first, second = parameter(), parameter()
    optimizer = torch.optim.SGD([{"params": [first]}, {"params": [second], "lr": 0.4}], lr=0.1)
    step_of(optimizer, 0.05)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.2])
    torch.testing.assert_close(second.detach(), torch.full((2,), 0.8))


def test_a_watched_optimizer_has_its_own_groups_afterwards_and_can_be_copied():
    optimizer = torch.optim.SGD([parameter()], lr=0.1)
    (group,) = optimizer.param_groups
    step_of(optimizer)
    assert optimizer.param_groups[0] is group
    assert type(group) is dict
    watch = StepRate(optimizer)
    watch.begin()
    assert copy.deepcopy(optimizer).param_groups[0]["lr"] == 0.1
    assert watch.end() == 0.1  # of before, where no step has used one
    optimizer.register_step_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        step_of(optimizer)
    assert type(optimizer.param_groups[0]) is dict


def test_watches_may_end_in_any_order():
    optimizer = Scheduled([parameter()], lr=9.0)
    outer, inner = StepRate(optimizer), StepRate(optimizer)
    outer.begin()
    inner.begin()
    optimizer.step()
    assert (outer.end(), inner.end()) == (0.5, 0.5)
    assert type(optimizer.param_groups[0]) is dict


def test_a_state_that_is_loaded_between_two_steps_is_watched_as_well():
    optimizer = Scheduled([parameter()], lr=9.0)
    watch = StepRate(optimizer)
    for expected in (0.5, 0.25):
        watch.begin()
        optimizer.step()
        assert watch.end() == expected
        optimizer.load_state_dict(optimizer.state_dict())


class ByTheNormOfAll(torch.optim.SGD):
    """Reads the gradient of each weight, and sets them to None behind the step."""

    def step(self, closure=None):
        weights = [each for group in self.param_groups for each in group["params"]]
        norm = torch.stack([each.grad.square().sum() for each in weights]).sum().sqrt()
        for each in weights:
            each.grad = each.grad / norm.clamp(min=1.0)
        super().step(closure)
        self.zero_grad()


def test_an_idle_step_has_gradients_of_zeros_for_all_that_is_trained():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2).requires_grad_(False))
    outside = parameter()  # such as one of the loss
    before = [each.detach().clone() for each in (*net.parameters(), outside)]
    optimizer = ByTheNormOfAll([*net[0].parameters(), outside], lr=0.25)
    for _ in range(3):
        assert idle_step_of(net, optimizer) == 0.25
    for each, value in zip((*net.parameters(), outside), before, strict=True):
        torch.testing.assert_close(each.detach(), value, rtol=0, atol=0)
    with pytest.raises(AttributeError, match="NoneType"):
        step_of(ByTheNormOfAll(net.parameters(), lr=0.25))


def test_what_is_not_trained_has_no_gradient_in_an_idle_step():
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2).requires_grad_(False), nn.LazyLinear(2))
    for each in net[0].parameters():
        each.grad = torch.ones_like(each)
    idle_step_of(net, torch.optim.SGD(net.parameters(), lr=0.25))
    assert [each.grad is None for each in net.parameters()] == [False, False, *[True] * 4]
    assert not any(each.grad.any() for each in net[0].parameters())


def test_an_optimizer_for_sparse_gradients_gets_such():
    net = nn.Embedding(5, 2, sparse=True)
    assert idle_step_of(net, torch.optim.SparseAdam(net.parameters(), lr=0.25)) == 0.25
    dense = nn.Embedding(5, 2)
    with pytest.raises(RuntimeError, match="dense gradients"):
        idle_step_of(dense, torch.optim.SparseAdam(dense.parameters(), lr=0.25))
