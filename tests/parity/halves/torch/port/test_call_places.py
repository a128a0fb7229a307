"""Calls of a torch module are placed at the line of the user's own code that makes them."""

import importlib.util

import pytest
import torch
from rows import each_row

import parity.runs.child
from parity.errors import UnfinishedError
from parity.halves.torch.calls import recorded_calls
from parity.halves.torch.factories import check_written

MODEL = """
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(5, 3)

    def forward(self, x):
        x = self.dense(x)
        return torch.tanh(x)


def by_hand():
    return Net()


def in_a_row():
    return nn.Sequential(nn.Linear(5, 3), nn.Tanh())
"""


def keep(number, x, rate):
    return x


@pytest.fixture
def places(tmp_path):
    """Names of calls and their lines, for a factory of MODEL that lies in a folder."""

    def places(factory, folder):
        path = tmp_path / folder / "model.py"
        path.parent.mkdir()
        path.write_text(MODEL)
        spec = importlib.util.spec_from_file_location("a_model", path)
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        module = getattr(loaded, factory)()
        call = compile("module(x)", parity.runs.child.__file__, "eval")  # as the harness does
        with recorded_calls(module, keep) as calls:
            eval(call, {"module": module, "x": torch.zeros(2, 5)})  # noqa: S307 - our own text
        return {call.kind: call.where.partition(":")[::2] for call in calls}

    return places


@each_row("folder", ["user", "torch_implementation"])
def test_a_call_in_a_forward_is_placed_there(places, folder):
    found = places("by_hand", folder)
    assert found == {"dense": ("model.py", "12"), "activation:tanh": ("model.py", "13")}


def test_neither_the_library_nor_the_harness_is_the_users_code(places):
    """What calls a Sequential is the harness, and what calls that is this test."""
    assert {file for file, _ in places("in_a_row", "user").values()} == {"test_call_places.py"}


def test_code_that_says_it_is_not_written_ends_the_check_and_what_torch_has_not_is_no_such_port():
    def forward(x):
        raise NotImplementedError("Gated.forward is to be written")

    with pytest.raises(UnfinishedError, match=r"the port is not finished: Gated\.forward .*:\d+\)"):
        check_written(_raised(lambda: forward(1)))
    check_written(_raised(lambda: torch.nn.Module()(torch.ones(2))))
    check_written(_raised(lambda: torch.ones(2, device="meta").numpy()))
    check_written(_raised(lambda: int("x")))


def _raised(function):
    try:
        function()
    except Exception as error:
        return error
    raise AssertionError("it raises nothing")
