"""Where each step of a loop begins and ends, however it is written, and in which modes it runs."""

import copy

import pytest
import torch
from rows import each_row
from torch import nn

from torch_impl import Port
from torch_impl.trainer import Batch, Callback, Trainer
from torch_impl.trainer.loop import LoopBatches, LoopSteps, in_eval_mode

NUM = 3


class Net(nn.Module):
    """A linear layer and a moving statistic, as that of a normalisation: each pass moves it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        if self.training:
            self.passes += 1
        return self.layer(x)


def steps_of(loop):
    """What is told of a loop over three batches: (begin or end, number, passes, steps so far)."""
    net, told = Net(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    made = []
    optimizer.register_step_post_hook(lambda *_: made.append(1))

    def tell(what):
        return lambda number: not told.append((what, number, int(net.passes), len(made)))

    steps = LoopSteps(net, optimizer, tell("begin"), tell("end"))
    batches = [Batch(torch.ones(4, 2) * n, torch.ones(4, 1)) for n in range(NUM)]
    with steps.watched():
        loop(net, optimizer, steps.batches(batches, NUM))
    return told


def step(net, optimizer, x, y):
    optimizer.zero_grad()
    ((net(x) - y) ** 2).mean().backward()
    optimizer.step()


def plain(net, optimizer, batches):
    for x, y in batches:
        step(net, optimizer, x, y)


def all_at_once(net, optimizer, batches):
    plain(net, optimizer, list(batches))


def one_ahead(net, optimizer, batches):
    """As loaders do that look whether a batch is the last one."""
    ahead = None
    for batch in batches:
        if ahead is not None:
            step(net, optimizer, *ahead)
        ahead = batch
    step(net, optimizer, *ahead)


def by_its_layer(net, optimizer, batches):
    """The module is never called, and so begins no step."""
    for x, y in batches:
        step(net.layer, optimizer, x, y)


def by_closure(net, optimizer, batches):
    for x, y in batches:

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = ((net(x) - y) ** 2).mean()
            loss.backward()
            return loss

        optimizer.step(closure)


def with_a_look_aside(net, optimizer, batches):
    for x, y in batches:
        with torch.no_grad():
            net(x)
        step(net, optimizer, x, y)


def twice(net, optimizer, batches):
    """Two passes and two steps for each batch, as of sharpness-aware minimisation."""
    for x, y in batches:
        step(net, optimizer, x, y)
        step(net, optimizer, x, y)


def every_second(net, optimizer, batches):
    for number, (x, y) in enumerate(batches):
        ((net(x) - y) ** 2).mean().backward()
        if number % 2:
            optimizer.step()


def with_the_rest_at_the_end(net, optimizer, batches):
    """The last step makes use of the pass of the last batch, behind all batches."""
    every_second(net, optimizer, batches)
    optimizer.step()


def with_more_behind(net, optimizer, batches):
    """As of statistics that are moved, and a best state that is loaded, behind the batches."""
    plain(net, optimizer, batches)
    net(torch.ones(4, 2))
    optimizer.step()


def beside_a_copy(net, optimizer, batches):
    """The copy has the hooks of the module, and its passes are none of the module's."""
    other = copy.deepcopy(net)
    assert other._forward_pre_hooks
    for x, y in batches:
        other(x)
        step(net, optimizer, x, y)
        other(x)


def told(passes, steps):
    """Begin and end of each step, with (passes, steps) at both."""
    return [
        (what, number, at[place], made[place])
        for number, at, made in zip(range(NUM), passes, steps, strict=True)
        for place, what in enumerate(("begin", "end"))
    ]


ONE_BY_ONE = told([(0, 1), (1, 2), (2, 3)], [(0, 1), (1, 2), (2, 3)])


@each_row(
    "loop, expected",
    [
        (plain, ONE_BY_ONE),
        (all_at_once, ONE_BY_ONE),
        (one_ahead, ONE_BY_ONE),
        (by_closure, ONE_BY_ONE),
        (by_its_layer, told([(0, 0)] * 3, [(0, 1), (1, 2), (2, 3)])),
        (with_a_look_aside, told([(0, 2), (2, 4), (4, 6)], [(0, 1), (1, 2), (2, 3)])),
        (twice, told([(0, 2), (2, 4), (4, 6)], [(0, 2), (2, 4), (4, 6)])),
        (every_second, told([(0, 1), (1, 2), (2, 3)], [(0, 0), (0, 1), (1, 1)])),
        (with_the_rest_at_the_end, told([(0, 1), (1, 2), (2, 3)], [(0, 0), (0, 1), (1, 2)])),
        (with_more_behind, ONE_BY_ONE),
        (beside_a_copy, ONE_BY_ONE),
    ],
)
def test_a_step_begins_before_anything_moves_and_ends_before_the_next(loop, expected):
    assert steps_of(loop) == expected


def test_what_is_told_may_call_the_module_and_begins_no_step_by_it():
    net, begun = Net(), []
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def begin(number):
        begun.append(number)
        step(net, optimizer, torch.ones(1, 2), torch.ones(1, 1))

    steps = LoopSteps(net, optimizer, begin, lambda number: True)
    with steps.watched():
        plain(net, optimizer, steps.batches([Batch(torch.ones(4, 2), torch.ones(4, 1))] * 2, 2))
    assert begun == [0, 1]
    assert not net._forward_pre_hooks
    assert not optimizer._optimizer_step_pre_hooks


def test_batches_have_a_length_where_it_is_known_and_are_passed_through_once():
    batches = LoopBatches([Batch(1, 2), Batch(3, 4, 5)], 2)
    assert (len(batches), list(batches), list(batches)) == (2, [(1, 2), (3, 4, 5)], [])
    with pytest.raises(TypeError, match=r"^the number of batches is not known before they end$"):
        len(LoopBatches([], None))


def test_the_modes_of_all_parts_are_those_before_behind_an_evaluation():
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    net[0].eval()
    with in_eval_mode(net):
        assert not any(each.training for each in net.modules())
    assert [each.training for each in net.modules()] == [True, False, True]


# --- in a Trainer ---------------------------------------------------------------------------------

X, Y = torch.arange(20.0).reshape(10, 2), torch.ones(10, 1)


def trained(train_epoch=plain, evaluate=None, callbacks=(), **settings):
    """Trains two epochs of batches of four by a loop; returns the module and all modes it had."""
    net = Net()
    optimizer, modes = torch.optim.SGD(net.parameters(), lr=0.01), []
    net.register_forward_pre_hook(lambda *_: modes.append(net.training))

    def loop(batches):
        train_epoch(net, optimizer, batches)
        return {"loss": 0.0}

    port = Port(net, nn.MSELoss(), optimizer, train_epoch=loop, evaluate=evaluate and evaluate(net))
    Trainer(port).fit(X, Y, batch_size=4, epochs=2, shuffle=False, callbacks=callbacks, **settings)
    return net, modes


def evaluates(net):
    def evaluate(batches):
        net.eval()
        with torch.no_grad():
            return {"loss": float(sum(((net(x) - y) ** 2).mean() for x, y in batches))}

    return evaluate


def test_a_loop_is_called_in_the_modes_in_which_it_has_left_the_module():
    """The trainer's own validation leaves no trace; a loop that validates does."""
    data = {"validation_data": (X, Y)}
    assert trained(**data)[1] == ([True] * 3 + [False] * 3) * 2
    assert trained(evaluate=evaluates, **data)[1] == [True] * 3 + [False] * 9

    def as_people_write(net, *others):
        net.train()
        plain(net, *others)

    assert trained(as_people_write, evaluates, **data)[1] == ([True] * 3 + [False] * 3) * 2


class Told(Callback):
    def __init__(self, stops_at=None):
        self.calls, self.stops_at = [], stops_at

    def on_train_batch_begin(self, step):
        self.calls.append(("begin", step, int(self.trainer.port.module.passes)))

    def on_train_batch_end(self, step, logs):
        self.calls.append(("end", step, int(self.trainer.port.module.passes)))
        self.trainer.stop_training = len(self.calls) == self.stops_at


def test_callbacks_are_told_of_the_steps_of_a_loop_as_of_those_of_the_trainer():
    of_loop, of_trainer = Told(), Told()
    trained(callbacks=[of_loop])
    net = Net()
    port = Port(net, nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.01))
    Trainer(port).fit(X, Y, batch_size=4, epochs=2, shuffle=False, callbacks=[of_trainer])
    assert of_loop.calls == of_trainer.calls
    assert of_loop.calls[:3] == [("begin", 0, 0), ("end", 0, 1), ("begin", 1, 1)]
    assert len(of_loop.calls) == 2 * 2 * 3


def test_a_callback_that_ends_the_training_ends_the_batches_of_a_loop():
    told = Told(stops_at=4)
    net, _ = trained(callbacks=[told])
    assert (int(net.passes), len(told.calls)) == (2, 4)


def test_a_loop_may_ask_for_the_number_of_its_batches():
    numbers = []
    trained(lambda net, optimizer, batches: numbers.append(len(batches)))
    trained(lambda net, optimizer, batches: numbers.append(len(batches)), steps_per_epoch=2)
    assert numbers == [3, 3, 2, 2]


def test_a_scheduler_that_the_loop_has_stepped_is_not_stepped_by_the_trainer():
    def rates(steps_at):
        net, epochs = Net(), iter(range(4))
        optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
        halving = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

        def loop(batches):
            plain(net, optimizer, batches)
            if next(epochs) in steps_at:
                halving.step()
            return {"loss": 0.0}

        port = Port(net, nn.MSELoss(), optimizer, scheduler=halving, train_epoch=loop)
        return Trainer(port).fit(X * 0, Y * 0, batch_size=4, epochs=4).history["learning_rate"]

    # Those at the end of each epoch, before the trainer steps.
    assert (rates(()), rates((0, 1, 2, 3))) == ([1.0, 0.5, 0.25, 0.125], [0.5, 0.25, 0.125, 0.0625])
    assert rates((0, 2)) == [0.5, 0.5, 0.25, 0.25]  # one that the loop forgets stays forgotten


def test_an_optimizer_that_wraps_one_of_torch_stands_for_it():
    class Wrapping(torch.optim.Optimizer):
        def __init__(self, inner):
            self.inner = inner

        def step(self, closure=None):
            self.inner.step(closure)

    net = Net()
    inner = torch.optim.SGD(net.parameters(), lr=0.1)
    assert Port(net, optimizer=Wrapping(inner)).optimizer is inner
    assert Port(net, optimizer=inner).optimizer is inner
