"""The weights of a file get into modules of every style, or it is said why they do not."""

from functools import partial

import numpy as np
import pytest
import torch
import weight_ports
from conversions import converted, loaded, predicted, state_of
from rows import each_row
from safetensors.numpy import load_file as numpy_file
from torch import nn
from weight_files import CHECKPOINT, FORMS, MODELS, config, inputs, values, weight_files
from weight_ports import PORTS, RIGHT, WRONG

from parity.errors import InputError
from parity.weights.copied import BACK, OPTIMIZER, STATE
from parity.weights.read import read_weights
from torch_impl import Port


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


@each_row("style", RIGHT)
def test_a_module_of_any_style_gets_the_weights_and_predicts_as_keras(style, files, tmp_path):
    name, factory = RIGHT[style]
    done = converted(files / f"{name}.keras", factory, tmp_path)
    assert done.problems == []
    # Keras keeps the factor of attention in float32.
    assert done.error < (1e-6 if name == "words" else 1e-12)
    assert done.num_filled == done.num_weights == len(values(files, name))
    x = inputs(name)
    x = np.moveaxis(x, -1, 1) if name == "images" and style != "channels last" else x
    built = loaded(factory, tmp_path)
    ours = torch.from_numpy(predicted(getattr(built, "module", built), x))
    ours = ours.softmax(-1) if style == "logits" else ours
    theirs = np.load(files / f"{name}_output.npy")
    # Float32, a dozen layers: some units of 1.2e-7 in numbers up to 1.
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=0, atol=1e-5)


@each_row("name, factory, told", WRONG.values(), ids=WRONG)
def test_what_has_no_place_or_no_source_is_named_and_nothing_is_written(
    name, factory, told, files, tmp_path
):
    done = converted(files / f"{name}.keras", factory, tmp_path)
    assert any(told in problem for problem in done.problems), done.problems
    assert not done.is_written
    assert not (tmp_path / "torch" / STATE).exists()


@each_row("name", MODELS)
def test_every_form_gives_the_same_state_and_optimizer(name, files, tmp_path):
    """But a `.h5` and a SavedModel have no slots of the optimizer that are read."""
    states, slots, told = [], [], []
    for form in (*FORMS, CHECKPOINT):
        has_slots, path = form in (".keras", ".weights.h5", CHECKPOINT), tmp_path / form
        given = {} if form in (".keras", ".h5") else {"config": config(files, name)}
        given["optimizer"] = has_slots
        done = converted(files / f"{name}{form}", PORTS[name], path, **given)
        assert done.problems == [], form
        states.append(state_of(path))
        if has_slots:
            state = torch.load(path / "torch" / OPTIMIZER, weights_only=True)["state"]
            assert state
            slots.append(state)
            told.append(done.optimizer)
    assert told == [told[0]] * 3
    for found in (states, slots):
        torch.testing.assert_close(found, [found[0]] * len(found), rtol=0, atol=0)


class Turned(nn.Module):
    """Three layers of one shape, called in any order."""

    def __init__(self, order):
        super().__init__()
        self.order, self.parts = order, nn.ModuleList([nn.Linear(4, 4) for _ in order])

    def forward(self, x):
        first, second, third = (self.parts[number] for number in self.order)
        return third(second(torch.tanh(first(x))))


@each_row("order", [(1, 2, 0), (0, 2, 1), (2, 1, 0)])
def test_every_permutation_of_equal_shapes_follows_the_calls(order, files, tmp_path):
    """The names of the three modules say nothing; the output does."""
    done = converted(files / "rows.keras", partial(Turned, order), tmp_path)
    assert done.problems == []
    state, theirs = state_of(tmp_path), values(files, "rows")
    for layer, number in zip(("dense", "dense_1", "dense_2"), order, strict=True):
        assert np.array_equal(state[f"parts.{number}.weight"].numpy(), theirs[f"{layer}/kernel"].T)


@each_row(
    "pairs",
    [
        {"dense": "2", "dense_1": "0"},
        {"dense_1": "3", "dense_2": "2"},
        {"dense": "3", "dense_2": "0"},
    ],
)
def test_an_exchange_that_the_user_asks_for_is_seen(pairs, files, tmp_path):
    done = converted(files / "rows.keras", weight_ports.rows, tmp_path, layers=pairs)
    assert "the output of the module differs" in done.problems[0]
    assert not done.is_written


def other_epsilon():
    net = weight_ports.Named()
    net.bn.eps = 1e-5
    return net


def test_a_module_that_computes_something_else_is_told_so_and_written_if_it_is_to_be(
    files, tmp_path
):
    done = converted(files / "images.keras", other_epsilon, tmp_path)
    assert "differs by" in done.problems[0]
    again = converted(files / "images.keras", other_epsilon, tmp_path / "again", anyway=True)
    assert (again.is_written, again.problems) == (True, done.problems)


def test_a_constant_of_the_module_keeps_its_value_and_is_named(files, tmp_path):
    done = converted(files / "images.keras", weight_ports.Buffered, tmp_path)
    assert (done.constants, state_of(tmp_path)["scale"].item()) == (["scale"], 1.0)


def test_a_layer_of_pairs_that_is_not_there_is_refused(files, tmp_path):
    with pytest.raises(InputError, match=r"^--map nowhere=0: there is no Keras call 'nowhere'"):
        converted(files / "rows.keras", weight_ports.rows, tmp_path, layers={"nowhere": "0"})


class Halves(nn.Module):
    """Keras's second kernel in two parameters, which only a `load` can fill."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)
        self.top, self.bottom = (nn.Parameter(torch.zeros(2, 4)) for _ in range(2))
        self.bias = nn.Parameter(torch.zeros(4))

    def forward(self, x):
        x = torch.tanh(self.first(x))
        return self.last(x[:, :2] @ self.top + x[:, 2:] @ self.bottom + self.bias)


def halves():
    def load(net, weights):
        rows = {
            **{"first.weight": weights["dense.kernel"].T, "first.bias": weights["dense.bias"]},
            **{"last.weight": weights["dense_2.kernel"].T, "last.bias": weights["dense_2.bias"]},
            "top": weights["dense_1.kernel"][:2],
            "bottom": weights["dense_1.kernel"][2:],
            "bias": weights["dense_1.bias"],
        }
        for name, array in rows.items():
            net.get_parameter(name).data.copy_(torch.as_tensor(array))

    return Port(Halves(), load=load)


def test_a_weight_in_several_parameters_is_written_and_told(files, tmp_path):
    done = converted(files / "rows.keras", halves, tmp_path)
    assert done.problems == []
    assert done.num_filled == done.num_weights == 6
    assert done.in_parts == {"dense_1.kernel": ["top", "bottom"]}
    state, theirs = state_of(tmp_path), values(files, "rows")
    both = torch.cat((state["top"], state["bottom"])).numpy()
    assert np.array_equal(both, theirs["dense_1/kernel"])


def back(files, name, factory, folder):
    """What comes of the way back, with the state that the way there has written."""
    converted(files / f"{name}.keras", factory, folder / "there")
    given = {"state": str(folder / "there" / "torch" / STATE), "config": config(files, name)}
    return converted(files / f"{name}.weights.h5", factory, folder / "back", **given)


def test_the_way_back_of_a_load_that_spreads_a_weight_says_why_there_is_none(files, tmp_path):
    told = r"spreads weights over several parameters \(dense_1\.kernel in top, bottom\)"
    with pytest.raises(InputError, match=told):
        back(files, "rows", halves, tmp_path)
    assert not (tmp_path / "back" / "torch" / BACK).exists()


def test_a_load_that_keeps_each_weight_whole_goes_back(files, tmp_path):
    done = back(files, "images", weight_ports.loading, tmp_path)
    assert (done.problems, done.in_parts) == ([], {})
    stored = read_weights(files / "images.weights.h5")
    assert {place["weight"] for place in done.places} == stored.keys()
    found = numpy_file(tmp_path / "back" / "torch" / BACK)
    np.testing.assert_equal(found, {key: np.asarray(array) for key, array in stored.items()})
