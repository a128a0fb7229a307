"""A factory is called as if nothing had been built before, and its module has the right dtype."""

import sys

import numpy as np
import pytest
import torch
from rows import each_row
from torch import nn

from parity.errors import InputError, UnfinishedError
from parity.halves.torch.factories import call_factory, factory_of, user_factory
from parity.programs.check_spec import CheckSpec
from torch_impl.optim import Adam
from torch_impl.port import Port
from torch_impl.schedule import ReduceLROnPlateau


def test_a_module_of_any_type_becomes_float64_and_the_optimizer_keeps_its_parameters():
    def build():
        module = nn.Linear(3, 2, dtype=torch.float32)
        return Port(module, optimizer=torch.optim.SGD(module.parameters(), 0.5))

    port = call_factory(build, 0)
    assert port.module.weight.dtype == torch.float64
    port.module.weight.grad = torch.ones_like(port.module.weight)
    before = port.module.weight.detach().clone()
    port.optimizer.step()
    assert torch.equal(port.module.weight, before - 0.5)


def test_the_rate_of_float32_weights_that_become_float64_is_not_rounded_to_float32():
    def build():
        module = nn.Linear(3, 2, dtype=torch.float32)
        optimizer = Adam(module.parameters(), learning_rate=0.005)
        return Port(module, optimizer=optimizer, scheduler=ReduceLROnPlateau(optimizer, factor=0.1))

    port = call_factory(build, 0)
    (group,) = port.optimizer.param_groups
    assert group["lr"] == 0.005
    for _ in range(12):  # of which the first is the best
        port.scheduler.step(1.0)
    assert group["lr"] == 0.005 * 0.1
    own = build()  # outside of a factory nothing is changed
    assert own.optimizer.param_groups[0]["lr"] != 0.005
    assert own.module.weight.dtype == torch.float32


def test_a_port_in_float32_stays_as_it_is():
    made = []

    def build():
        made.append(torch.zeros(1).dtype)
        return nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1, dtype=torch.float16))

    torch.set_default_dtype(torch.float64)  # as another check leaves it
    first, second = call_factory(build, 0, "float32").module
    assert made == [torch.float32]
    assert (first.weight.dtype, second.weight.dtype) == (torch.float32, torch.float16)


def test_a_module_alone_is_a_port_of_it():
    module = nn.ReLU()
    port = call_factory(lambda: module, 0)
    assert port.module is module
    assert (port.loss, port.optimizer, port.schedulers) == (None, None, ())
    for scheduler, expected in (("a", ("a",)), (["a", "b"], ("a", "b")), ((), ())):
        assert Port(module, scheduler=scheduler).schedulers == expected
    with pytest.raises(InputError, match="scheduler_interval='batch': expected 'epoch' or 'step'"):
        call_factory(lambda: Port(module, scheduler_interval="batch"), seed=1)
    with pytest.raises(ValueError, match="added_loss without a loss: expected"):
        Port(module, added_loss=lambda net: net.kl).with_one_loss()


@each_row("built", [None, 3, nn.ReLU, "net"])
def test_anything_else_is_refused(built):
    with pytest.raises(InputError, match="the torch factory returned"):
        call_factory(lambda: built, 0)


def test_of_a_port_in_plain_torch_it_is_told_what_to_give():
    """Its `build` returns a Training, with the network and what trains it."""

    class Training:
        model = nn.ReLU()

    Training.__module__ = "shop.plain_port.train"
    with pytest.raises(InputError) as refused:
        call_factory(Training, 0)
    text = str(refused.value)
    assert "plain torch has it as shop.plain_port.test_parity:port, and its network" in text
    assert text.endswith("activation:ReLU")
    Training.__module__ = "shop.trainer"
    with pytest.raises(InputError, match=r"Port\(module=\.\.\.\)$"):
        call_factory(Training, 0)


def test_what_a_module_adds_counts_once_in_the_loss_and_in_that_of_validation():
    class Net(nn.Module):
        def forward(self, x):
            self.extra = 3 * x.sum()
            return x

    net = Net()
    given = Port(net, loss=nn.MSELoss(), validation_loss=nn.L1Loss(), added_loss=lambda m: m.extra)
    port = given.with_one_loss().with_one_loss()
    given = net(torch.tensor([1.0, -2.0])), torch.zeros(2)
    assert [float(loss(*given)) for loss in (port.loss, port.validation_loss)] == [2.5 - 3, 1.5 - 3]


def test_code_that_is_still_to_be_written_is_told_as_such_while_a_port_is_built():
    def build():
        raise NotImplementedError("the rate is to be written")

    with pytest.raises(UnfinishedError, match="is not finished: the rate is to be written"):
        call_factory(build, 0)
    with pytest.raises(NotImplementedError, match="forward"):  # what torch itself lacks is not
        call_factory(lambda: torch.nn.Module()(torch.ones(1)), 0)


def test_what_stands_at_the_top_of_a_file_has_the_dtype_of_each_call(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "top_of_port", raising=False)
    (tmp_path / "top_of_port.py").write_text(
        "import torch\nLOSS = torch.nn.NLLLoss(weight=torch.tensor([0.1, 0.7]))\n"
        "def build():\n    module = torch.nn.Linear(2, 2)\n    module.rate = LOSS.weight\n"
        "    return module\n"
    )
    reference = "top_of_port.py:build"
    checked = factory_of(CheckSpec(keras="k.py:build", torch=reference, folder=str(tmp_path)))
    assert call_factory(checked, 0).module.rate.tolist() == [0.1, 0.7]
    factory = user_factory(reference, tmp_path, 0)
    for dtype in ("float64", "float32", "float64"):
        found = call_factory(factory, 0, dtype).module.rate
        assert found.dtype == getattr(torch, dtype)
        assert found[0].item() == float(np.dtype(dtype).type(0.1))
    sys.modules.pop("top_of_port")
