"""Which layers of a port differ by themselves, and which are only written in another way."""

import check_factories
import check_pairs
import numpy as np
import pytest
import torch
from rows import each_row
from small_nets import Net
from torch import nn

from parity.halves.torch.check.forward import output_form, write_forward
from parity.halves.torch.check.layers import write_layers
from parity.halves.torch.check.loss import Loss
from parity.halves.torch.port.port_under_test import PortUnderTest
from parity.traces.trace import TraceWriter
from torch_impl import Port

NAMES = {node[0] for node in check_pairs.NODES}


@pytest.fixture
def recorded():
    return check_pairs.recorded()


@pytest.fixture
def written(recorded, tmp_path):
    """What is written of the layers of a port."""

    def write(factory, modes=("eval", "train")):
        port = PortUnderTest(factory, 3, recorded.read(tmp_path / "keras"))
        writer = TraceWriter()
        for mode in modes:
            write_forward(port, mode, writer)
        form = output_form(port, writer)
        write_layers(port, form, Loss(port, form), writer)
        return writer

    return write


def port(last="sigmoid", scale=1.0, *, activation_last=False, end=lambda net, x: x):
    """The network of `check_pairs`; its first activation may come behind the dropout."""

    def run(net, x):
        x = net.dense1(x) * scale
        x = net.dropout(x if activation_last else torch.relu(x))
        x = net.dense2(torch.relu(x) if activation_last else x)
        return end(net, getattr(torch, last)(x) if last else x)

    dense = {"dense1": nn.Linear(5, 4), "dense2": nn.Linear(4, 3)}
    return lambda: Port(Net(run, **dense, dropout=nn.Dropout(0.5)), nn.MSELoss())


def differing(writer, recorded):
    """Keras layers whose own output differs, or what reaches them."""
    found = set()
    for mode in ("eval", "train"):
        for name, key in writer.facts["targets"].get(mode, {}).items():
            own = writer.arrays[f"forward/{mode}/{name}/own"]
            if not np.allclose(own, recorded.arrays[key], rtol=0, atol=1e-12):
                found.add(name)
            given = f"forward/{mode}/{name}/input/0"
            theirs = recorded.arrays[given]
            if not np.allclose(writer.arrays[given], theirs, rtol=0, atol=1e-12):
                found.add(f"input of {name}")
    return found


def test_a_right_port_has_no_layer_that_differs(written, recorded):
    writer = written(port())
    assert differing(writer, recorded) == set()
    assert (writer.facts["style"], writer.facts["unshaped"]) == ([], [])
    assert set(writer.facts["targets"]["train"]) == NAMES
    expected = {"loss/own"} | {f"forced/gradient/{name}" for name in check_pairs.SHAPES}
    assert expected <= set(writer.arrays)


def test_an_activation_behind_a_dropout_is_style(written):
    writer = written(port(activation_last=True))
    assert set(writer.facts["style"]) <= {"dense1.activation", "dropout"}
    assert writer.facts["style"]


@each_row(
    "wrong, where",
    [
        ({"last": "tanh"}, "dense2.activation"),
        ({"scale": 2.0}, "input of dense1.activation"),
    ],
    ids=["a layer", "between two layers"],
)
def test_what_computes_otherwise_is_no_style_and_differs_where_it_is(
    written, recorded, wrong, where
):
    writer = written(port(**wrong))
    assert writer.facts["style"] == []
    assert differing(writer, recorded) == {where}


def test_an_output_that_hides_all_before_it_makes_no_style(written, recorded):
    """Keras's is 0 or 1 as well, in eval mode."""
    key = "forward/eval/output"
    recorded.arrays[key] = recorded.arrays[key].round()
    writer = written(port(scale=1.001, end=lambda net, x: x if net.training else x.round()))
    assert np.allclose(writer.arrays[key], recorded.arrays[key], rtol=0, atol=1e-12)
    assert writer.facts["style"] == []
    assert differing(writer, recorded) == {"input of dense1.activation"}


def test_the_loss_of_an_output_that_is_not_kerass_says_nothing_of_the_loss(written, recorded):
    writer = written(port(end=lambda _, x: x + 0.1))
    assert differing(writer, recorded) == set()
    assert "loss/own" not in writer.arrays


def test_the_layers_are_judged_though_the_loss_raises(written, recorded):
    writer = written(check_factories.torch_raises_in_loss)
    assert differing(writer, recorded) == set()
    assert set(writer.facts["targets"]["train"]) == NAMES
    assert "loss/own" not in writer.arrays
    assert not [key for key in writer.arrays if key.startswith("forced/gradient")]


@each_row(
    "function, form",
    [(lambda x: 0.9 * x.sigmoid(), "same"), (lambda x: 0.9 * x, "linear")],
    ids=["probabilities", "logits"],
)
def test_a_wrong_output_is_what_its_values_may_be(recorded, tmp_path, function, form):
    keras = recorded.read(tmp_path / "keras")
    # A wrong network, which ends in a multiplication of what an activation makes.
    made = PortUnderTest(port("", 3.0, end=lambda _, x: function(x)), 3, keras)
    writer = TraceWriter()
    write_forward(made, "eval", writer)
    assert output_form(made, writer) == form
