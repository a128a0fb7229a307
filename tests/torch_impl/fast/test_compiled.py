"""A compiled network computes what the network computes, and is compiled once for all steps."""

import shutil
from collections import OrderedDict

import pytest
import torch
from torch import nn

from torch_impl.fast import compiled
from torch_impl.layers import Dropout

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler on this machine"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def network():
    torch.manual_seed(0)
    layers = {"dense1": nn.Linear(6, 8), "relu": nn.ReLU(), "drop": Dropout(0.5, seed=4)}
    return nn.Sequential(OrderedDict(layers, dense2=nn.Linear(8, 3))).double()


def test_every_step_has_its_own_masks_and_nothing_is_compiled_anew():
    # A check in the same process runs ports uncompiled, for as long as the process lives.
    torch.compiler.set_stance("default")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model, twin = network(), network()
    fast, x = compiled(twin), torch.randn(5, 6, generator=torch.manual_seed(1)).double()
    seen, graphs = [], []
    for _ in range(4):
        expected = model(x)
        torch.testing.assert_close(fast(x), expected, rtol=1e-14, atol=1e-14)
        seen.append(expected)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert not any(torch.equal(seen[0], other) for other in seen[1:])
    assert graphs[0] > 0
    assert len(set(graphs)) == 1
    assert model.drop.num_calls == twin.drop.num_calls == 4
