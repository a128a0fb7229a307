"""A recurrent layer that a port writes by hand is right whatever the order of its gates is."""

import keras
import pytest
import torch
from both_halves import checked, levels, recorded
from conversions import converted
from small_nets import Net
from torch import nn

from torch_impl import Port, optim

pytestmark = pytest.mark.long

FEATURES, UNITS = 3, 4
L = keras.layers


def model():
    keras.utils.set_random_seed(3)
    given = keras.Input((5, FEATURES), name="x")
    x = L.GRU(UNITS, reset_after=False, return_sequences=True, name="first")(given)
    x = L.GRU(UNITS, reset_after=False, name="second")(x)
    made = keras.Model(given, L.Dense(2, name="out")(x))
    made.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return made


class Joined(nn.Module):
    """One matrix for the input and one for the state, cut where they are used."""

    def __init__(self, features, order, keep=True):
        super().__init__()
        self.w = nn.Parameter(torch.randn(3 * UNITS, features) * 0.1)
        self.u = nn.Parameter(torch.randn(3 * UNITS, UNITS) * 0.1)
        self.b = nn.Parameter(torch.zeros(3 * UNITS))
        self.order, self.keep = order, keep

    def products(self, x, h):
        parts = (x @ self.w.T + self.b).chunk(3, -1), self.u.chunk(3)
        named = dict(zip(self.order, zip(*parts, strict=True), strict=True))
        return named, lambda gate, state: state @ named[gate][1].T

    def forward(self, x):
        h = x.new_zeros(len(x), UNITS)
        found = []
        for step in x.unbind(1):
            of_input, of_state = self.products(step, h)
            z = torch.sigmoid(of_input["z"][0] + of_state("z", h))
            r = torch.sigmoid(of_input["r"][0] + of_state("r", h))
            n = torch.tanh(of_input["n"][0] + of_state("n", r * h))
            h = z * h + (1 - z) * n if self.keep else (1 - z) * h + z * n
            found.append(h)
        return torch.stack(found, 1)


class Split(Joined):
    """The state has a Linear for the gates, and one for the candidate."""

    def __init__(self, features, order, keep=True):
        super().__init__(features, order, keep)
        del self.w, self.u, self.b
        self.of_input = nn.Linear(features, 3 * UNITS)
        self.gates = nn.Linear(UNITS, 2 * UNITS, bias=False)
        self.candidate = nn.Linear(UNITS, UNITS, bias=False)

    def products(self, x, h):
        one, two = self.gates.weight.chunk(2)
        parts = self.of_input(x).chunk(3, -1), (one, two, self.candidate.weight)
        named = dict(zip(self.order, zip(*parts, strict=True), strict=True))
        return named, lambda gate, state: state @ named[gate][1].T


def net_of(cell, order, keep=True):
    """The second cell is made before the first one, which is called first."""
    return Net(
        lambda net, x: net.out(net.later(net.earlier(x))[:, -1]),
        later=cell(UNITS, order, keep),
        earlier=cell(FEATURES, order),
        out=nn.Linear(UNITS, 2),
    )


def port(cell, order, keep=True):
    def build():
        net = net_of(cell, order, keep)
        return Port(net, nn.MSELoss(), optim.SGD(net.parameters(), 0.1, momentum=0.9))

    return build


CASES = [(Joined, "zrn"), (Joined, "rzn"), (Joined, "nrz"), (Split, "zrn"), (Split, "rzn")]
IDS = [f"{cell.__name__} {order}" for cell, order in CASES]


@pytest.fixture(scope="module")
def trace(tmp_path_factory):
    return recorded(model, tmp_path_factory.mktemp("keras") / "keras", steps=3)


@pytest.mark.parametrize(("cell", "order"), CASES, ids=IDS)
def test_all_of_its_training_agrees(cell, order, trace, tmp_path):
    found = levels(trace, port(cell, order), tmp_path / "torch")
    names = ("structure", "forward", "loss", "gradient", "optimizer", "trajectory")
    assert {name: found[name].status for name in names} == dict.fromkeys(names, "pass")


@pytest.mark.parametrize(("cell", "order"), CASES[1::3], ids=IDS[1::3])
def test_another_equation_is_told_with_its_step_and_with_keras_beside(cell, order, trace, tmp_path):
    """The new state and the old one are exchanged in the second cell, of which the last is used."""
    result = checked(trace, port(cell, order, keep=False), tmp_path / "torch")
    (found,) = [each for each in result.divergences if each.level == "forward"]
    assert (found.item.name, found.causes[0]["id"]) == ("input of out (eval)", "R8")
    assert "the cell second differs first at step 1" in found.causes[0]["detail"]
    assert "g = tanh(xg + (r * h) @ ug)" in found.causes[0]["fix"]
    assert found.causes[0]["where"].startswith("test_cells_by_hand.py:")


@pytest.mark.parametrize(("cell", "order"), CASES, ids=IDS)
def test_a_conversion_finds_the_places(cell, order, tmp_path):
    model().save(tmp_path / "model.keras")
    done = converted(tmp_path / "model.keras", lambda: net_of(cell, order), tmp_path / "a")
    assert done.problems == []
    assert done.num_filled == done.num_weights == 8
    wrong = converted(
        tmp_path / "model.keras", lambda: net_of(cell, order, keep=False), tmp_path / "b"
    )
    assert "differs by" in wrong.problems[0]


def run_of_both(net, x):
    """Two layers of cat([x, h]), which parity takes apart only if they are one."""
    x = net.first(x)
    h = x.new_zeros(len(x), UNITS)
    for step in x.unbind(1):
        z, r = torch.sigmoid(net.gates(torch.cat([step, h], 1))).chunk(2, 1)
        h = z * h + (1 - z) * torch.tanh(net.candidate(torch.cat([step, r * h], 1)))
    return net.out(h)


class Scaled(nn.Linear):
    def forward(self, x):
        return super().forward(x) * 1.5


@pytest.fixture(scope="module")
def one_cell(tmp_path_factory):
    def build():
        keras.utils.set_random_seed(3)
        first = L.Dense(FEATURES, name="first")
        cell = L.GRU(UNITS, reset_after=False, name="memory")
        made = keras.Sequential([keras.Input((5, FEATURES)), first, cell, L.Dense(2, name="out")])
        made.compile(keras.optimizers.SGD(0.1), "mse")
        return made

    return recorded(build, tmp_path_factory.mktemp("one") / "keras", steps=2)


def of_both(change=None, **settings):
    def build():
        net = Net(
            run_of_both,
            first=nn.Linear(FEATURES, FEATURES),
            gates=nn.Linear(FEATURES + UNITS, 2 * UNITS),
            candidate=nn.Linear(FEATURES + UNITS, UNITS),
            out=nn.Linear(UNITS, 2),
        )
        if change is not None:
            change(net)
        return Port(net, nn.MSELoss(), optim.SGD(net.parameters(), 0.1), **settings)

    return build


@pytest.mark.parametrize("layer", ["first", "out"])
def test_another_layer_that_is_wrong_fails_all_the_same(layer, one_cell, tmp_path):
    """Before and behind the cell whose weights are not set."""

    def change(net):
        old = getattr(net, layer)
        setattr(net, layer, Scaled(old.in_features, old.out_features))

    found = levels(one_cell, of_both(change), tmp_path / "torch")
    assert found["forward"].status == "fail"
    assert found["forward"].first_failure.name.startswith(f"{layer}, with Keras's input")
