"""Without a graph, a weight is carried only if it can be nowhere else."""

import numpy as np
import pytest
import torch
import weight_ports
from conversions import converted, loaded, predicted, state_of
from rows import each_row
from torch import nn
from weight_files import values, weight_files

from parity.errors import InputError

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return weight_files(tmp_path_factory)


def test_pairs_of_the_user_decide(files, tmp_path):
    pairs = {"dense": "0", "dense_1": "2"}  # the third can then be nowhere else
    done = converted(files / "rows.weights.h5", weight_ports.rows, tmp_path, layers=pairs)
    assert done.problems == []
    assert "no output was compared" in done.proof
    state, theirs = state_of(tmp_path), values(files, "rows")
    for layer, number in (("dense", 0), ("dense_1", 2), ("dense_2", 3)):
        assert np.array_equal(state[f"{number}.weight"].numpy(), theirs[f"{layer}/kernel"].T)


def test_rows_behind_a_flatten_are_not_in_a_known_order(files, tmp_path):
    pairs = {"first": "a", "second": "b"}
    done = converted(files / "images.weights.h5", weight_ports.Named, tmp_path, layers=pairs)
    problem = (
        "the order of the rows of fc is not known: it is not Keras's if the module flattens images "
        "or sequences with the channels first before it, and the file has no configuration (give "
        "it with --config); if it does not, say so with --same-rows fc"
    )
    assert (done.problems, done.is_written) == ([problem], False)


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
    **{"conv1d": "a", "conv1d_1": "b"},
    **{"layer_normalization": "na", "layer_normalization_1": "nb"},
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """The same in Keras, with a Lambda, so that it has no twin; an input, and what comes of it."""
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(2)
    given = x = keras.Input((8, 3))
    for end in ("", "_1"):
        x = L.Conv1D(3, 3, name=f"conv1d{end}")(x)
        x = L.LayerNormalization(name=f"layer_normalization{end}")(x)
    last = L.Lambda(lambda t: t[:, -1], name="last_step")(x)
    out = L.Dense(2, name="dense")(L.Concatenate()([last, L.GlobalAveragePooling1D()(x)]))
    model = keras.Model(given, out)
    path = tmp_path_factory.mktemp("ends") / "ends.keras"
    model.save(path)
    x = np.random.default_rng(3).normal(size=(5, 8, 3)).astype("f4")
    return path, x, model(x).numpy()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model with a layer of a class of one's own."""
    import keras
    from keras import layers as L

    class Patches(L.Layer):
        def call(self, x):
            return x * 2.0

    given, path = keras.Input((4,)), tmp_path_factory.mktemp("own") / "own.keras"
    keras.Model(given, L.Dense(4)(Patches(name="patches")(L.Dense(4)(given)))).save(path)
    return path


# The file or a fixture of it, the module, what is told, what is not.
REFUSED = {
    "two layers of one shape": (
        *("rows.weights.h5", weight_ports.rows),
        [
            "dense, dense_1, dense_2 may each be any of 0, 2, 3",
            "the file has no configuration (give it with --config)",
            "--map dense=0",
        ],
        [],
    ),
    # `custom` is an argument of a Python function; dense can be one module alone.
    "all layers that nothing tells apart at once": (
        *("ends", Ends),
        [
            "conv1d, conv1d_1 may each be any of a, b",
            "layer_normalization, layer_normalization_1 may each be any of na, nb",
            "its function is Python code, which a config has not); --map conv1d=a and so on",
        ],
        ["custom=", "dense"],
    ),
    # Not with the ninety classes that have a twin.
    "a class of one's own in one line": (
        *("own", lambda: nn.Sequential(*2 * [nn.Linear(4, 4)])),
        ["layer 'patches' of class 'Patches': expected one of the layers of Keras in docs/twin.md"],
        ["custom="],
    ),
}


@each_row("source, factory, told, untold", REFUSED.values(), ids=REFUSED)
def test_what_is_in_no_known_place_is_told(
    source, factory, told, untold, files, ends, own, tmp_path
):
    path = {"ends": ends[0], "own": own}.get(source, files / source)
    with pytest.raises(InputError) as caught:
        converted(path, factory, tmp_path)
    text = str(caught.value)
    assert [part for part in told if part not in text] == []
    assert [part for part in untold if part in text] == []
    assert source != "own" or len(text) < 400


def test_rows_of_which_the_user_knows_the_order_are_written(ends, tmp_path):
    path, x, theirs = ends
    refused = converted(path, Ends, tmp_path / "a", layers={**PLACES, "dense": "out"})
    assert not refused.is_written
    assert "say so with --same-rows out" in refused.problems[0]
    done = converted(path, Ends, tmp_path / "b", layers=PLACES, same_rows=["out"])
    assert done.problems == []
    assert "Keras's order of the rows of out, as --same-rows says" in done.proof
    ours = predicted(loaded(Ends, tmp_path / "b"), torch.from_numpy(x).mT)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)  # float32, numbers up to 3


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.last, self.first = nn.Linear(5, 4), nn.Linear(2, 5)
        self.memory = nn.LSTM(3, 2)


def test_a_model_of_a_class_of_its_own_is_carried_by_its_attributes(tmp_path):
    """As Keras writes a subclassed model: groups have the names of attributes."""
    import h5py

    groups = {
        "encoder/cell": ((3, 8), (2, 8), (8,)),
        "blocks/dense": ((2, 5), (5,)),
        "head": ((5, 4), (4,)),
    }
    draw = np.random.default_rng(0)
    arrays = {
        f"{name}/vars/{number}": draw.normal(size=shape).astype("f4")
        for name, shapes in groups.items()
        for number, shape in enumerate(shapes)
    }
    with h5py.File(tmp_path / "own.weights.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
    done = converted(tmp_path / "own.weights.h5", Own, tmp_path / "made")
    assert done.problems == []
    state = state_of(tmp_path / "made")
    assert np.array_equal(state["memory.weight_ih_l0"].numpy(), arrays["encoder/cell/vars/0"].T)
    assert np.array_equal(state["last.bias"].numpy(), arrays["head/vars/1"])


@each_row(
    "given, message",
    [
        *(
            ({"layers": PLACES, "same_rows": [module]}, f"--same-rows {module}: expected an nn.Lin")
            for module in ("nowhere", "a", "")
        ),
        *(
            ({"layers": pairs}, "--map")
            for pairs in ({"nowhere": "a"}, {"dense": "9"}, {"conv1d": "a", "conv1d_1": "a"})
        ),
    ],
)
def test_pairs_and_rows_that_cannot_be_are_refused(given, message, ends, tmp_path):
    with pytest.raises(InputError, match=message):
        converted(ends[0], Ends, tmp_path, **given)
