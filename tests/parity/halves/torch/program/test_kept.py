"""A port is afterwards what it was, whatever was done with it."""

import torch
from torch import nn

from parity.halves.torch.program.anchors import in_float64, kept
from torch_impl import Port


class CountingLoss(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, output, target):
        self.calls += 1
        return ((output - target) ** 2).mean()


def decorated_counter():
    count = 0

    @torch.no_grad()
    def clip(net):
        nonlocal count
        count += 1
        clip.seen = count

    return clip


def port():
    torch.manual_seed(3)
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1)
    return Port(net, CountingLoss(), optimizer, before_step=decorated_counter())


def step(given, x, y):
    given.optimizer.zero_grad()
    given.loss(given.module(x), y).backward()
    given.before_step(given.module)
    given.optimizer.step()


def batch(dtype=torch.float32):
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(8, 3, generator=generator)
    return x.to(dtype), x.sum(1, keepdim=True).to(dtype)


def test_a_training_goes_on_as_if_nothing_had_been():
    ours, theirs = port(), port()
    for number in range(6):
        if number == 3:
            with kept(ours), in_float64(ours):
                ours.optimizer.state.clear()  # its slots are float32
                for _ in range(4):
                    step(ours, *batch(torch.float64))
                ours.module.eval()
                ours.optimizer.param_groups[0]["lr"] = 7.0
        step(ours, *batch())
        step(theirs, *batch())
    assert ours.loss.calls == theirs.loss.calls == 6
    assert ours.before_step.seen == theirs.before_step.seen == 6
    assert ours.module.training
    states = [given.module.state_dict().values() for given in (ours, theirs)]
    for a, b in zip(*states, strict=True):
        assert a.dtype == b.dtype
        assert torch.equal(a, b)


def test_the_objects_that_code_of_the_user_holds_stay_the_same():
    given = port()
    weight, clear = given.module[0].weight, given.optimizer.state.clear
    step(given, *batch())
    gradient = weight.grad
    with kept(given), in_float64(given):
        clear()
        assert weight.dtype == torch.float64
        step(given, *batch(torch.float64))
    assert given.module[0].weight is weight
    assert weight.grad is gradient
    assert weight.dtype == torch.float32
    assert given.optimizer.state
    clear()
    assert not given.optimizer.state


class Casting(nn.Linear):
    """Notes the dtype of its parameters whenever they change, and casts its inputs to it."""

    def __init__(self):
        super().__init__(3, 1)
        self.dtypes = {"x": torch.float32}

    def _apply(self, function, *arguments, **options):
        super()._apply(function, *arguments, **options)
        self.dtypes["x"] = self.weight.dtype
        return self

    def forward(self, x):
        return super().forward(x.to(self.dtypes["x"]))


def test_a_module_that_notes_its_dtype_has_the_old_one_again():
    net = Casting()
    given = Port(net, CountingLoss(), torch.optim.SGD(net.parameters(), lr=0.1))
    with kept(given), in_float64(given):
        assert net(batch()[0]).dtype == torch.float64
    assert net(batch()[0]).dtype == torch.float32
