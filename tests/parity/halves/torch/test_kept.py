"""A port is afterwards what it was, whatever was done with it."""

import itertools
import random

import numpy as np
import torch
from torch import nn

from parity.halves.torch.kept import Beginning, in_float64, kept, reached
from torch_impl import Port


class CountingLoss(nn.MSELoss):
    calls = 0

    def forward(self, output, target):
        self.calls += 1
        return super().forward(output, target)


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
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(5))
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
    for each in (ours, theirs):
        assert (each.loss.calls, each.before_step.seen, each.module.training) == (6, 6, True)
    assert is_same(ours.module.state_dict(), theirs.module.state_dict())


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


# --- what code of the user can reach --------------------------------------------------------------

EVENTS = []  # a global that a loop changes


class Smoothed:
    """An average of weights by hand, as people write it."""

    def __init__(self, net):
        self.shadow = {name: p.detach().clone() for name, p in net.named_parameters()}
        self.num = 0

    def update(self, net):
        self.num += 1
        for name, p in net.named_parameters():
            self.shadow[name].mul_(0.5).add_(p.detach(), alpha=0.5)


class Counting(torch.optim.SGD):
    num = 0

    def step(self, closure=None):
        self.num += 1
        return super().step(closure)


def with_a_loop():
    """A port whose loop has a scheduler, two averages, a list, and random numbers of its own."""
    torch.manual_seed(3)
    net, loss = nn.Linear(3, 1), nn.MSELoss()
    optimizer = Counting(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    smoothed, average = Smoothed(net), torch.optim.swa_utils.AveragedModel(net)
    losses, given = [], {"drawn": []}

    def train_epoch(batches):
        for x, y in batches:
            optimizer.zero_grad()
            value = loss(net(x), y)
            value.backward()
            optimizer.step()
            scheduler.step()
            smoothed.update(net)
            average.update_parameters(net)
            losses.append(value.item())
            given["drawn"].append((random.random(), np.random.rand(), float(torch.rand(()))))
            EVENTS.append(len(losses))
        return {"loss": sum(losses)}

    return Port(net, loss, optimizer, train_epoch=train_epoch), lambda: (
        {name: value.clone() for name, value in smoothed.shadow.items()},
        (smoothed.num, int(average.n_averaged), optimizer.num, scheduler.last_epoch),
        optimizer.param_groups[0]["lr"],
        [p.detach().clone() for p in average.parameters()],
        (list(losses), list(given["drawn"]), list(EVENTS)),
    )


def is_same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(is_same(a[key], b[key]) for key in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(is_same, a, b))
    return a == b


def test_all_that_a_loop_can_reach_is_put_back():
    port, state = with_a_loop()
    port.train_epoch([batch()] * 3)
    before = state()
    with kept(port):
        port.train_epoch([batch()] * 2)
        assert not is_same(state(), before)
    assert is_same(state(), before)
    with kept(port), in_float64(port):
        port.optimizer.state.clear()
        port.train_epoch([batch(torch.float64)])
    assert is_same(state(), before)


def test_an_average_in_a_list_is_computed_in_float64_and_is_afterwards_what_it_was():
    net = nn.Linear(3, 1)
    averages = [p.detach().clone() for p in net.parameters()]
    port = Port(net, train_epoch=lambda batches: averages)
    before = [(each.data_ptr(), each.clone()) for each in averages]
    with kept(port), in_float64(port):
        for each, p in zip(averages, net.parameters(), strict=True):
            each.mul_(1 / 3).add_(p.detach(), alpha=2 / 3)
            torch.testing.assert_close(each, p.detach(), rtol=1e-15, atol=0)  # and no float32
    assert is_same([(each.data_ptr(), each) for each in averages], before)


def test_data_that_a_loop_holds_is_not_copied():
    data = torch.zeros(10_000, 3)
    port = Port(nn.Linear(3, 1), train_epoch=lambda batches: {"loss": float(data.sum())})
    assert any(each is data for each in reached(port).tensors.values())
    with kept(port):
        data += 1
    assert data.sum() == 30_000


def test_what_begins_an_epoch_is_undone_and_what_steps_have_changed_since_is_not():
    """A loop counts epochs where it begins one, and steps in each of them."""
    counts, numbers, epochs = {"epoch": 2, "steps": 14, "name": "a"}, [5], itertools.count(2)
    epoch = 2

    def train_epoch(batches):
        nonlocal epoch
        epoch += 1
        counts.update(epoch=3, name="b")
        numbers[0], _ = 6, next(epochs)
        for _ in batches:
            counts["steps"] += 1
            yield

    given = Port(nn.Linear(1, 1), train_epoch=train_epoch)
    beginning = Beginning(given)
    loop = given.train_epoch(range(3))
    next(loop)
    counts["steps"] -= 1  # where the loop asks for its first batch
    beginning.end(given)
    counts["steps"] += 1
    counts["name"] = "c"
    beginning.undo(given)
    assert (epoch, numbers, next(epochs)) == (2, [5], 2)
    assert counts == {"epoch": 2, "steps": 15, "name": "c"}
