"""Without a graph, a weight is carried only if it can be nowhere else."""

import numpy as np
import pytest
import torch
import weight_ports
from conversions import converted
from rows import each_row
from safetensors.torch import load_file
from torch import nn
from weight_files import values, weight_files

from parity.errors import InputError
from parity.weights.copied import STATE

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


def test_two_layers_of_one_shape_are_refused_by_name(files, tmp_path):
    with pytest.raises(InputError) as caught:
        converted(files / "rows.weights.h5", weight_ports.rows, tmp_path)
    told = str(caught.value)
    assert "dense, dense_1, dense_2 may each be any of 0, 2, 3" in told
    assert "the file has no configuration (give it with --config)" in told
    assert "--map dense=0" in told


def test_pairs_of_the_user_decide(files, tmp_path):
    pairs = {"dense": "0", "dense_1": "2"}  # the third can then be nowhere else
    done = converted(files / "rows.weights.h5", weight_ports.rows, tmp_path, layers=pairs)
    assert done.problems == []
    assert "no output was compared" in done.proof
    state, theirs = load_file(tmp_path / "torch" / STATE), values(files, "rows")
    for layer, number in (("dense", 0), ("dense_1", 2), ("dense_2", 3)):
        assert np.array_equal(state[f"{number}.weight"].numpy(), theirs[f"{layer}/kernel"].T)


def test_rows_behind_a_flatten_are_not_in_a_known_order(files, tmp_path):
    pairs = {"first": "a", "second": "b"}
    done = converted(files / "images.weights.h5", weight_ports.Named, tmp_path, layers=pairs)
    assert done.problems == [
        "the order of the rows of fc is not known: it is not Keras's if the module flattens images "
        "or sequences with the channels first before it, and the file has no configuration (give "
        "it with --config); if it does not, say so with --same-rows fc"
    ]
    assert not done.is_written


class Ends(nn.Module):
    """Sequences, of which the last step and the mean are joined, and no flatten."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv1d(3, 3, 3), nn.Conv1d(3, 3, 3)
        self.na, self.nb = nn.LayerNorm(3, eps=1e-3), nn.LayerNorm(3, eps=1e-3)
        self.out = nn.Linear(6, 2)

    def forward(self, x):
        x = self.na(self.a(x).mT).mT
        x = self.nb(self.b(x).mT).mT
        return self.out(torch.cat((x[..., -1], x.mean(-1)), 1))


PLACES = {
    "conv1d": "a",
    "conv1d_1": "b",
    "layer_normalization": "na",
    "layer_normalization_1": "nb",
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The same in Keras, with a Lambda, so that it has no twin."""
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(2)
    given = x = keras.Input((8, 3))
    names = iter(PLACES)
    convs, norms = [next(names), next(names)], [next(names), next(names)]
    for conv, norm in zip(convs, norms, strict=True):
        x = L.LayerNormalization(name=norm)(L.Conv1D(3, 3, name=conv)(x))
    last = L.Lambda(lambda t: t[:, -1], name="last_step")(x)
    out = L.Dense(2, name="dense")(L.Concatenate()([last, L.GlobalAveragePooling1D()(x)]))
    model = keras.Model(given, out)
    path = tmp_path_factory.mktemp("ends") / "ends.keras"
    model.save(path)
    x = np.random.default_rng(3).normal(size=(5, 8, 3)).astype("f4")
    return path, x, model(x).numpy()


def test_all_layers_that_nothing_tells_apart_are_told_at_once(ends, tmp_path):
    with pytest.raises(InputError) as caught:
        converted(ends[0], Ends, tmp_path)
    told = str(caught.value)
    assert "conv1d, conv1d_1 may each be any of a, b" in told
    assert "layer_normalization, layer_normalization_1 may each be any of na, nb" in told
    assert "its function is Python code, which a config has not); --map conv1d=a and so on" in told
    assert "custom=" not in told  # an argument of a Python function
    assert "dense" not in told  # it can be one module alone


def test_rows_of_which_the_user_knows_the_order_are_written(ends, tmp_path):
    path, x, theirs = ends
    refused = converted(path, Ends, tmp_path / "a", layers={**PLACES, "dense": "out"})
    assert not refused.is_written
    assert "say so with --same-rows out" in refused.problems[0]
    done = converted(path, Ends, tmp_path / "b", layers=PLACES, same_rows=["out"])
    assert done.problems == []
    assert "Keras's order of the rows of out, as --same-rows says" in done.proof
    net = Ends()
    net.load_state_dict(load_file(tmp_path / "b" / "torch" / STATE))
    with torch.no_grad():
        ours = net(torch.from_numpy(x).mT).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)  # float32, numbers up to 3


@each_row("module", ["nowhere", "a", ""])
def test_rows_of_what_has_none_are_refused(module, ends, tmp_path):
    with pytest.raises(InputError, match=f"--same-rows {module}: expected an nn.Linear: out"):
        converted(ends[0], Ends, tmp_path, layers=PLACES, same_rows=[module])


def test_a_class_of_ones_own_is_told_in_one_line(tmp_path):
    """Not with the ninety classes that have a twin."""
    import keras
    from keras import layers as L

    class Patches(L.Layer):
        def call(self, x):
            return x * 2.0

    given = keras.Input((4,))
    x = L.Dense(4)(Patches(name="patches")(L.Dense(4)(given)))
    keras.Model(given, x).save(tmp_path / "own.keras")
    with pytest.raises(InputError) as caught:
        converted(tmp_path / "own.keras", lambda: nn.Sequential(*2 * [nn.Linear(4, 4)]), tmp_path)
    told = str(caught.value)
    assert (
        "layer 'patches' of class 'Patches': expected one of the layers of Keras in docs/twin.md"
        in told
    )
    assert "custom=" not in told
    assert len(told) < 400


def test_a_model_of_a_class_of_its_own_is_carried_by_its_attributes(tmp_path):
    """As Keras writes a subclassed model: groups have the names of attributes."""
    import h5py

    path = tmp_path / "own.weights.h5"
    draw = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        for name, shapes in (
            ("encoder/cell", ((3, 8), (2, 8), (8,))),
            ("blocks/dense", ((2, 5), (5,))),
            ("head", ((5, 4), (4,))),
        ):
            for number, shape in enumerate(shapes):
                file[f"{name}/vars/{number}"] = draw.normal(size=shape).astype("f4")

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Linear(5, 4), nn.Linear(2, 5)
            self.memory = nn.LSTM(3, 2)

    done = converted(path, Own, tmp_path / "made")
    assert done.problems == []
    state = load_file(tmp_path / "made" / "torch" / STATE)
    with h5py.File(path) as file:
        assert np.array_equal(
            state["memory.weight_ih_l0"].numpy(), file["encoder/cell/vars/0"][:].T
        )
        assert np.array_equal(state["last.bias"].numpy(), file["head/vars/1"][:])


@each_row("pairs", [{"nowhere": "0"}, {"dense": "9"}, {"dense": "0", "dense_1": "0"}])
def test_pairs_that_cannot_be_are_refused(pairs, files, tmp_path):
    with pytest.raises(InputError, match="--map"):
        converted(files / "rows.weights.h5", weight_ports.rows, tmp_path, layers=pairs)
