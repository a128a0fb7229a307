"""train.py in plain torch, of programs with code of the user's own in what trains them."""

import importlib
import sys

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from keras import ops
from rows import each_row
from safetensors.torch import load_file

import keras_impl
from benchmarks.ported.packages import package_of
from benchmarks.ported.programs import Program

BAR = 1e-12
RNG = np.random.default_rng(4)
X, Y, LABELS = RNG.normal(size=(20, 4)), RNG.normal(size=(20, 2)), RNG.integers(0, 3, 20)


def cubic(y, p):
    return ops.mean(ops.abs(y - p) ** 3, axis=-1)


def fit(y, p):
    """Its name is one that train.py has, too."""
    return ops.mean(ops.abs(y - p) ** 3, axis=-1)


def farthest(y, p):
    return ops.max(ops.abs(y - p), axis=-1)


def one():
    model = keras.Sequential([L.Input((4,)), L.Dense(2, kernel_regularizer="l2")])
    model.compile("sgd", cubic)
    return keras_impl.Reference(model, epochs=2, batch_size=8)


def two():
    """Of two outputs, one has a loss of the user's own, and it has a metric of such code."""
    x = inputs = L.Input((4,))
    ends = {"kind": L.Dense(3, name="kind")(x), "size": L.Dense(2, name="size")(x)}
    model = keras.Model(inputs, ends)
    kind = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        "sgd",
        {"kind": kind, "size": fit},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"size": [farthest, "mae"]},
    )
    return keras_impl.Reference(model, epochs=2, batch_size=8)


def stock():
    """No code of the user's own."""
    model = keras.Sequential([L.Input((4,)), L.Dense(2)])
    model.compile("sgd", "mse")
    return keras_impl.Reference(model, epochs=2, batch_size=8)


FILES = {
    "one": {"x": X, "y": Y},
    "two": {"x": X, "y_kind": LABELS, "y_size": Y},
    "stock": {"x": X, "y": Y},
}
STUBS = {"one": "cubic", "two": "fit_"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder of all packages, and what was told of each."""
    folder, told = tmp_path_factory.mktemp("plain_train"), {}
    for name in FILES:
        out = folder / f"own_{name}"
        out.mkdir()
        told[name] = package_of(Program(name, f"{__file__}:{name}"), out, plain=True)
    return folder, told


@pytest.fixture
def trained(packages, tmp_path, monkeypatch):
    """Calls `main` of train.py of a package, from its weights in order; returns the state."""
    monkeypatch.syspath_prepend(packages[0])
    before = torch.get_default_dtype()

    def call(name, arrays=None, **changed):
        np.savez(tmp_path / "data.npz", **FILES[name] | (arrays or {}))
        given = ["--dtype", "float64", "--from-keras", "--no-shuffle"]
        out = tmp_path / "out.pt"
        command = ["train", str(tmp_path / "data.npz"), *given, "--out", str(out)]
        monkeypatch.setattr(sys, "argv", command)
        train = importlib.import_module(f"own_{name}.train")
        for key, value in changed.items():
            monkeypatch.setattr(train, key, value)
        train.main()
        return torch.load(out, weights_only=True)

    yield call
    torch.set_default_dtype(before)


def source_of(packages, name, file="train.py"):
    return (packages[0] / f"own_{name}" / file).read_text(encoding="utf-8")


@each_row("name", STUBS)
def test_a_loss_of_the_users_own_is_a_stub_that_is_told(packages, trained, name):
    source, told = source_of(packages, name), packages[1][name]
    assert f"def {STUBS[name]}(y_pred: torch.Tensor, y_true: torch.Tensor" in source
    assert "return ops.mean(ops.abs(y - p) ** 3, axis=-1)" in source
    (sentence,) = told["open"]
    assert sentence.startswith("train.py, line")
    assert f"{STUBS[name]}, the loss, is to be written" in sentence
    assert f"## To be written\n\n- {sentence}" in source_of(packages, name, "README.md")
    assert not [each for each in told["left_out"] if "loss" in each]
    with pytest.raises(NotImplementedError, match="is to be written"):
        trained(name)


@pytest.mark.parametrize("name", STUBS)
def test_with_the_loss_written_it_trains_as_fit_does(packages, trained, name):
    def mean_of_cubes(y_pred, y_true):
        return ((y_true - y_pred).abs() ** 3).mean()

    state = trained(name, **{STUBS[name]: mean_of_cubes})
    begun = load_file(packages[0] / f"own_{name}" / "weights.safetensors")
    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    reference = globals()[name]()
    for weight in reference.model.weights:
        weight.assign(as_keras(weight, begun))
    y = {"kind": LABELS, "size": Y} if name == "two" else Y
    reference.model.fit(X, y, epochs=2, batch_size=8, shuffle=False, verbose=0)
    for weight in reference.model.weights:
        theirs = np.asarray(weight)
        assert np.abs(theirs - as_keras(weight, state)).max() <= BAR * np.abs(theirs).max()
        assert np.abs(theirs - as_keras(weight, begun)).max() > 1e-3  # it has trained


@each_row("name", STUBS)
def test_weights_that_the_loss_does_not_take_are_told_in_one_line(trained, name):
    def cubes(y_pred, y_true):
        return ((y_true - y_pred).abs() ** 3).mean()

    def weighted(y_pred, y_true, sample_weight=None):
        each = ((y_true - y_pred).abs() ** 3).mean(-1)
        return (each if sample_weight is None else each * sample_weight).mean()

    arrays = {"weight": np.linspace(0.0, 2.0, 20)}
    with pytest.raises(SystemExit, match="give cubes the argument sample_weight"):
        trained(name, arrays, **{STUBS[name]: cubes})
    state, without = (trained(name, given, **{STUBS[name]: weighted}) for given in (arrays, None))
    assert max((state[key] - without[key]).abs().max() for key in state) > 1e-3


def as_keras(weight, state):
    layer, name = weight.path.split("/")[-2:]
    return state[f"{layer}.{'weight' if name == 'kernel' else name}"].double().numpy().T


def test_a_metric_of_the_users_own_is_left_out_and_told(packages):
    (sentence,) = packages[1]["two"]["left_out"]
    assert sentence.startswith("the metric ")
    assert 'rules.Average("mae"' in source_of(packages, "two")


def test_a_program_without_such_code_has_no_stub(packages, trained):
    assert packages[1]["stock"]["open"] == []
    assert "To be written" not in source_of(packages, "stock", "README.md")
    assert trained("stock")
