"""A port is built again until its small weights have shown enough numbers."""

import check_factories
import check_pairs
import numpy as np
import pytest
import torch
from rows import each_row

from parity.halves.torch.check import facts
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.programs.check_spec import CheckSpec
from parity.traces.trace import TraceWriter
from torch_impl.seeds import KerasSeeds


@pytest.fixture
def draws(tmp_path):
    def of(factory, first=None, **settings):
        keras = check_pairs.recorded().read(tmp_path / "keras")
        writer = TraceWriter()
        port = PortUnderTest(first or factory, 3, keras)
        facts.write_init(CheckSpec(**{"seed": 3, **settings}), factory, port, writer)
        return {name.removeprefix("init/"): array for name, array in writer.arrays.items()}

    return of


def test_the_smallest_random_weight_says_how_often(draws):
    found = draws(check_factories.torch_net)
    sizes = {"dense2.kernel": 12, "dense1.kernel": 20, "dense1.bias": 4}
    assert {name: found[name].shape for name in sizes} == {n: (64, s) for n, s in sizes.items()}
    assert len(np.unique(found["dense1.kernel"], axis=0)) == 64


def test_a_seed_in_the_factory_does_not_repeat_the_draws(draws):
    def seeded():
        torch.manual_seed(42)
        np.random.seed(42)
        module = check_factories.torch_module()
        module[0].weight.data.copy_(torch.from_numpy(np.random.normal(size=(4, 5))))
        return module

    found = draws(seeded)
    assert [len(np.unique(found[f"dense{layer}.kernel"], axis=0)) for layer in (1, 2)] == [64, 64]
    torch.manual_seed(42)  # as before: nothing is added outside
    first = torch.rand(1)
    torch.random.manual_seed(42)
    assert torch.equal(first, torch.rand(1))


def test_after_the_largest_seed_comes_the_first(draws):
    seeds = []

    def seeded():
        KerasSeeds(torch.initial_seed())  # it refuses what is no seed of Keras
        seeds.append(torch.initial_seed())
        return check_factories.torch_module()

    draws(seeded, seed=2**32 - 1)
    assert seeds[-3:] == [(2**32 - 1 + number) % 2**32 for number in range(61, 64)]


# Of the 39 parameters of the network, and its modules.
@each_row(
    "name, value, settings, count",
    [
        ("MOST_TIME", 60.0, {"draws": False}, 1),  # nobody asks for them
        ("MOST_TIME", 0.0, {}, 1),
        ("MOST_PARAMETERS", 3 * 39, {}, 3),
        ("MOST_MODULES", 5 * len([*check_factories.torch_module().modules()]), {}, 5),
    ],
)
def test_a_slow_or_large_port_is_built_less(name, value, settings, count, draws, monkeypatch):
    monkeypatch.setattr(facts, name, value)
    assert draws(check_factories.torch_net, **settings)["dense1.kernel"].shape == (count, 20)
