"""A port on the bench: Keras's weights are in it, and it computes Keras's numbers."""

from functools import partial

import check_factories
import check_pairs
import numpy as np
import pytest
import torch
from rows import each_row
from small_nets import Net
from torch import nn

from parity.errors import InputError
from parity.halves.torch.port.port_under_test import PortUnderTest
from torch_impl.port import Port

CLOSE = {"rtol": 0, "atol": 1e-14}  # sums of five products of numbers around 1


@pytest.fixture
def keras(recorded, tmp_path):
    return recorded.read(tmp_path / "keras")


def test_a_right_port_has_keras_weights_and_computes_what_numpy_computed(keras, recorded):
    port = PortUnderTest(check_factories.torch_net, 3, keras)
    pairs = [(pair.node["name"], pair.call.name) for pair in port.pairs]
    assert pairs == [(name, torch_name) for name, _, _, torch_name in check_pairs.NODES]
    assert (port.problems, port.dtype) == ([], "float64")
    np.testing.assert_equal(
        port.weights(), {name: recorded.arrays[f"weights/{name}"] for name in check_pairs.SHAPES}
    )
    for mode, training in (("eval", False), ("train", True)):
        calls, output = port.forward(mode, "probe", training=training)
        expected = recorded.arrays[f"forward/{mode}/output"]
        np.testing.assert_allclose(output.detach().numpy(), expected, **CLOSE)
        for (name, *_), call in zip(check_pairs.NODES, calls, strict=True):
            key = f"forward/{mode}/{name}/input/0"
            np.testing.assert_allclose(call.inputs[0].numpy(), recorded.arrays[key], **CLOSE)
    nn.functional.mse_loss(output, port.target_of(port.keras["target/probe"])).backward()
    for name, gradient in port.gradients().items():
        np.testing.assert_allclose(gradient, recorded.arrays[f"gradient/{name}"], **CLOSE)


def test_gradients_that_are_set_are_read_again_and_others_are_zero(keras):
    port = PortUnderTest(check_factories.torch_net, 3, keras)
    given = {"dense1.kernel": np.arange(20.0).reshape(5, 4), "dense2.bias": np.array([1.0, -2, 3])}
    port.set_gradients(given, given.__getitem__)
    for name, gradient in port.gradients().items():
        np.testing.assert_array_equal(gradient, given.get(name, 0))


class Counting(nn.Module):
    """A port whose passes change its state, and draw random numbers."""

    def __init__(self):
        super().__init__()
        self.net = check_factories.torch_module()
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        self.norm(torch.ones(4, 3) * self.passes)
        return self.net(x)


def test_what_a_pass_or_a_block_changes_is_brought_back_whatever_is_raised(keras):
    port = PortUnderTest(Counting, 3, keras)
    # Of the pass that finds the pairs.
    assert (port.module.passes, port.module.norm.num_batches_tracked) == (0, 0)
    assert (port.module.norm.running_mean == 0).all()
    before = {name: value.clone() for name, value in port.module.state_dict().items()}

    def changes():
        port.forward("train", "probe", training=True)
        port.module.net[0].weight.data.add_(1)
        raise KeyError

    with pytest.raises(KeyError), port.kept():
        changes()
    for name, value in port.module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_dropout_keeps_what_keras_keeps_at_its_own_rate(keras, recorded):
    net = check_factories.torch_module()
    net[2].p = 0.75
    kept = recorded.arrays["mask/step1/dropout"]
    port = PortUnderTest(lambda: net, 3, keras)
    calls, _ = port.forward("step1", "step1", training=True)
    given, made = calls[2].inputs[0].numpy(), calls[3].inputs[0].numpy()
    np.testing.assert_allclose(made, np.where(kept, given * 4, 0), **CLOSE)
    calls, _ = port.forward("no such mode", "step1", training=True)
    np.testing.assert_array_equal(calls[3].inputs[0].numpy(), calls[2].inputs[0].numpy())


@each_row("made", [torch.from_numpy, np.asarray], ids=["tensors", "arrays"])
def test_the_ports_own_ways_are_taken(keras, recorded, made):
    loaded = []

    def build():
        return Port(
            check_factories.torch_module(),
            feed=lambda x: made(x[:, ::-1].copy()),
            target=lambda y: made(y * 2),
            load=lambda module, weights: loaded.append((module, sorted(weights))),
        )

    port = PortUnderTest(build, 3, keras)
    (fed,) = port.arguments("probe")
    np.testing.assert_array_equal(fed.numpy(), recorded.arrays["input/probe/0"][:, ::-1])
    np.testing.assert_array_equal(
        port.target_of(port.keras["target/probe"]), recorded.arrays["target/probe"] * 2
    )
    assert loaded == [(port.module, sorted(check_pairs.SHAPES))]


@each_row(
    "factory, message",
    [
        (check_factories.torch_other_shapes, r"cannot take the batch .* of shape \(4, 5\)"),
        (lambda: Port(check_factories.torch_module(), layers={"dense9": "0"}), "no Keras call 'de"),
        (lambda: Port(check_factories.torch_module(), layers={"dense1": "9"}), "no torch call '9'"),
        (lambda: None, "the torch factory returned NoneType; expected a torch.nn.Module"),
        (lambda: Port(None), "expected a torch.nn.Module"),
        (lambda: nn.Linear, "returned type"),
    ],
    ids=["shapes", "keras_name", "torch_name", "none", "port_of_none", "class"],
)
def test_a_port_that_cannot_be_used_is_told(keras, factory, message):
    with pytest.raises(InputError, match=message):
        PortUnderTest(factory, 3, keras)


# --- how a network is fed ------------------------------------------------------------------------


class Record(dict):
    """What a port reads of a trace: arrays by key, and facts.

    A node is name, kind, shapes of input and output, and names of its weights.
    """

    def __init__(self, x, nodes, weights):
        super().__init__({"input/probe/0": x})
        self.update({f"weights/{name}": weight for name, weight in weights.items()})
        self.facts = {
            "nodes": [
                {
                    "name": name,
                    "kind": kind,
                    "config": {},
                    "input_shapes": [list(before)],
                    "output_shape": list(after),
                    "sources": [number - 1],
                    "weights": own,
                }
                for number, (name, kind, before, after, own) in enumerate(nodes)
            ],
            "weights": {name: {"shape": list(w.shape)} for name, w in weights.items()},
        }


def draw(*shape):
    return np.random.default_rng(0).normal(size=shape)


def signals():
    """A convolution of 9 steps of 5 channels."""
    weights = {"conv.kernel": draw(3, 5, 4), "conv.bias": draw(4)}
    return Record(draw(4, 9, 5), [("conv", "conv", (4, 9, 5), (4, 7, 4), list(weights))], weights)


def features(*shape):
    """A dense layer of 5 features."""
    node = ("dense", "dense", (*shape, 5), (*shape, 2), ["dense.kernel"])
    return Record(draw(*shape, 5), [node], {"dense.kernel": draw(5, 2)})


def turning(**settings):
    """Takes signals as Keras does, and turns them itself."""

    def run(net, x):
        net.norm(torch.ones(2, 9))
        assert x.shape[1:] == (9, 5), "not as Keras is fed"
        return net.conv(x.transpose(1, 2))

    return Net(run, conv=nn.Conv1d(5, 4, 3), norm=nn.BatchNorm1d(9), **settings)


conv = partial(nn.Sequential, nn.Conv1d(5, 4, 3))
dense = partial(nn.Sequential, nn.Linear(5, 2, bias=False))
FIRST, AS_KERAS = "fed with channels first", "fed as Keras is"
FED = {
    "first": (signals(), conv, FIRST),
    "turns_itself": (signals(), turning, AS_KERAS),
    "channels_last": (signals(), lambda: turning(channels_last=True), AS_KERAS),
    "own": (
        signals(),
        lambda: Port(conv(), feed=lambda x: torch.from_numpy(x).mT),
        "fed by the port's own `feed`",
    ),
    "features": (features(4), dense, AS_KERAS),
    "features_of_steps": (features(4, 9), dense, AS_KERAS),
}


@each_row("recorded, factory, fed", FED.values(), ids=FED)
def test_a_network_is_fed_as_it_takes_its_input_and_that_is_told(recorded, factory, fed):
    port = PortUnderTest(factory, 3, recorded)
    assert port.fed == fed
    x = recorded["input/probe/0"]
    (given,) = port.arguments("probe")
    np.testing.assert_array_equal(given.numpy(), x if fed == AS_KERAS else np.moveaxis(x, -1, 1))


def test_a_network_that_turns_its_input_leaves_no_trace_of_the_first_try():
    port = PortUnderTest(turning, 3, signals())
    assert [call.name for call in port.calls] == ["norm", "transpose()", "conv"]
    assert port.module.norm.num_batches_tracked == 0
    expected = {key: array for key, array in signals().items() if key.startswith("weights/")}
    np.testing.assert_equal({f"weights/{n}": w for n, w in port.weights().items()}, expected)


def test_a_network_that_cannot_be_fed_either_way_is_told_by_its_first_words():
    def run(net, x):
        raise KeyError(f"in forward, {tuple(x.shape)}")

    with pytest.raises(InputError, match=r"of shape \(4, 9, 5\).*in forward, \(4, 5, 9\)"):
        PortUnderTest(lambda: Net(run), 3, signals())


# --- layers that torch has otherwise -------------------------------------------------------------


@each_row("dtype", ["float32", "float64"])
def test_a_port_computes_in_the_dtype_that_is_asked_for_whatever_keras_probed_in(keras, dtype):
    port = PortUnderTest(check_factories.torch_net, 3, keras, dtype=dtype)
    assert port.dtype == dtype
    assert {parameter.dtype for parameter in port.module.parameters()} == {getattr(torch, dtype)}
    assert port.forward("eval", "probe", training=False)[1].dtype == getattr(torch, dtype)
