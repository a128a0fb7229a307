"""train.py reads a file of data, and trains on it as `fit` does, with weights of samples."""

import importlib
import sys

import keras
import numpy as np
import pytest
import torch
from keras import layers as L
from rows import each_row
from safetensors.torch import load_file
from written import as_keras

import keras_impl
from benchmarks.ported.packages import package_of
from benchmarks.ported.programs import Program
from parity.data.samples import Samples
from parity.errors import InputError
from parity.halves.keras.check.inputs import inputs_of
from parity.ports.form import Layout
from parity.ports.program import Program as Net
from parity.ports.program import Value
from parity.ports.reading_text import arrays_of
from parity.programs.check_spec import CheckSpec

BAR = 1e-12
N, T = 40, 5
RNG = np.random.default_rng(4)
X, Y, W = RNG.normal(size=(N, 4)), RNG.normal(size=(N, 1)), RNG.uniform(0, 3, N)
LABELS = RNG.integers(0, 3, N)
STEPS = RNG.normal(size=(N, T, 2))
IMAGES = RNG.normal(size=(N, 4, 4, 2))
OF_STEPS = RNG.uniform(0, 3, (N, T))


def one():
    """One input and output, and weights of samples, of the validation, too."""
    model = keras.Sequential([L.Input((4,)), L.Dense(3, "tanh"), L.Dense(1)])
    model.compile("sgd", "mse")
    return keras_impl.Reference(
        model, x=X, y=Y, sample_weight=W, validation_split=0.25, epochs=2, batch_size=8
    )


def classes():
    """Weights of classes."""
    model = keras.Sequential([L.Input((4,)), L.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return keras_impl.Reference(
        model, x=X, y=LABELS, class_weight={0: 0.5, 2: 3.0}, epochs=2, batch_size=8
    )


def several():
    """Three inputs, three outputs: weights of samples, of steps, and none."""
    a, b, c = (
        L.Input((4,), name="flat"),
        L.Input((T, 2), name="steps"),
        L.Input((4, 4, 2), name="image"),
    )
    steps = L.Conv1D(3, 1, activation="tanh")(b)
    x = L.Concatenate()([a, L.GlobalAveragePooling1D()(steps), L.Flatten()(L.Conv2D(2, 2)(c))])
    ends = {"size": (1, x), "path": (2, steps), "kind": (3, x)}
    ends = {name: L.Dense(units, name=name)(given) for name, (units, given) in ends.items()}
    model = keras.Model([a, b, c], ends)
    of_kind = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    loss = {"size": "mse", "path": "mae", "kind": of_kind}
    model.compile("sgd", loss, loss_weights={"size": 0.5, "path": 2.0, "kind": 1.0})
    y = {"size": Y, "path": STEPS, "kind": LABELS}
    weight = {"size": W, "path": OF_STEPS, "kind": np.ones(N)}
    return keras_impl.Reference(
        model, x=[X, STEPS, IMAGES], y=y, sample_weight=weight, epochs=2, batch_size=8
    )


def sequences():
    """Sequences for a convolution, which `feed` of the port turns."""
    model = keras.Sequential([L.Input((T, 2)), L.Conv1D(3, 1), L.Flatten(), L.Dense(1)])
    model.compile("sgd", "mse")
    return keras_impl.Reference(model, x=STEPS, y=Y, epochs=2, batch_size=8)


FILES = {
    "sequences": {"x": STEPS, "y": Y},
    "one": {"x": X, "y": Y, "weight": W},
    "classes": {"x": X, "y": LABELS},
    "several": {
        **{"x_flat": X, "x_steps": STEPS, "x_image": IMAGES},
        **{"y_size": Y, "y_path": STEPS, "y_kind": LABELS},
        **{"weight_size": W, "weight_path": OF_STEPS},
    },
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder of all packages: NAME_full and NAME_plain, and what was told of each."""
    folder, told = tmp_path_factory.mktemp("read"), {}
    for name in FILES:
        for kind in ("full", "plain"):
            out = folder / f"{name}_{kind}"
            out.mkdir()
            program = Program(name, f"{__file__}:{name}")
            told[out.name] = package_of(program, out, plain=kind == "plain")
    return folder, told


@pytest.fixture
def trained(packages, tmp_path, monkeypatch, capsys):
    """Calls `main` of train.py of a package, with arrays; returns the state, and what it prints."""
    folder, _ = packages
    monkeypatch.syspath_prepend(folder)

    def call(package, arrays, *arguments):
        np.savez(tmp_path / "data.npz", **arrays)
        given = ["--dtype", "float64", "--out", str(tmp_path / "out.pt"), *arguments]
        monkeypatch.setattr(sys, "argv", ["train", str(tmp_path / "data.npz"), *given])
        importlib.import_module(f"{package}.train").main()
        return torch.load(tmp_path / "out.pt", weights_only=True), capsys.readouterr()

    return call


def of_keras(name, begun=None, **changes):
    """Weights and history of Keras's fit: from the seed 42, or in order from weights of a port."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(42)
    reference = globals()[name]()
    if begun is not None:
        for weight in reference.model.weights:
            weight.assign(as_keras(weight, begun))
        changes["shuffle"] = False
    history = reference.model.fit(**reference.fit_arguments() | changes, verbose=0).history
    return reference.model.weights, history


def apart(weights, state):
    return max(
        np.abs(np.asarray(w) - as_keras(w, state)).max() / np.abs(np.asarray(w)).max()
        for w in weights
    )


@each_row("name", FILES)
def test_the_file_is_the_one_that_a_check_takes(name, tmp_path):
    """`parity port --data` and train.py have one file, with one name for each array."""
    keras.backend.clear_session()
    np.savez(tmp_path / "data.npz", **FILES[name])
    inputs = inputs_of(globals()[name](), 4).each
    samples = Samples(CheckSpec(data="data.npz", folder=str(tmp_path)), inputs)
    outputs = ("kind", "path", "size") if name == "several" else ("",)
    assert samples.given_targets == outputs
    arrays = [FILES[name].get(f"x_{each.name}", FILES[name].get("x")) for each in inputs]
    start = samples.rows("probe", 1, len(arrays[0]))
    for rows, array in zip(samples.inputs("probe", 1), arrays, strict=True):
        np.testing.assert_array_equal(rows, array[start].astype("float32"))
    np.savez(tmp_path / "data.npz", flat=X, steps=STEPS, image=IMAGES, y=Y)
    with pytest.raises(InputError, match="expected x"):
        Samples(CheckSpec(data="data.npz", folder=str(tmp_path)), inputs)


def test_inputs_have_the_names_by_which_the_model_is_fed():
    """A dictionary of other keys than its layers: Keras flattens it by the sorted keys."""
    value = Value(1, (None, 3), Layout.LAST, "")
    program = Net("net", inputs={"first": value, "second": value, "third": value})
    places = {"b": ["first", 0, 0], "a": {"c": ["second", 0, 0], "d": ["third", 0, 0]}}
    facts = {
        "program": {"model": {"config": {"input_layers": places}}},
        "inputs": [{"name": name} for name in ("a/c", "a/d", "b")],
    }
    assert arrays_of(program, facts).inputs == {
        "x_b": "first",
        "x_a.c": "second",
        "x_a.d": "third",
    }
    assert list(arrays_of(program, {}).inputs) == ["x_first", "x_second", "x_third"]


@pytest.mark.parametrize("name", FILES)
def test_training_with_weights_is_that_of_fit(packages, trained, name):
    """Of a plain port in order, from Keras's weights."""
    for kind, order in (("full", ()), ("plain", ("--no-shuffle", "--from-keras"))):
        file = packages[0] / f"{name}_{kind}" / "weights.safetensors"
        expected, history = of_keras(name, load_file(file) if order else None)
        state, printed = trained(f"{name}_{kind}", FILES[name], *order)
        assert apart(expected, state) <= BAR
        told = {line.split()[0]: line.split()[1:] for line in printed.out.splitlines()}
        for key, values in history.items():
            assert [float(number) for number in told[key]] == pytest.approx(values, rel=1e-5), key
        assert printed.err == ""


@each_row("kind", ["full", "plain"])
def test_a_file_without_the_weights_of_the_program_is_told(trained, kind):
    """And it trains otherwise: the bar of the test above sees weights that are dropped."""
    arrays = {"x": X, "y": Y}
    with_weights, _ = trained(f"one_{kind}", FILES["one"])
    without, printed = trained(f"one_{kind}", arrays)
    assert max((with_weights[key] - without[key]).abs().max() for key in without) > 1e-3
    assert "fit sample_weight, and the file has no weight: all samples count" in printed.err


@each_row("package", ["several_full", "one_plain"])
def test_a_file_has_real_numbers_of_either_dtype(trained, package):
    """The network is trained in that of `--dtype`, whatever the file has."""
    arrays = FILES[package.partition("_")[0]]
    rounded = {
        key: array.astype("float32") if array.dtype.kind == "f" else array
        for key, array in arrays.items()
    }
    for dtype, bar in (("float64", 1e-6), ("float32", 0)):
        one, other = (trained(package, each, "--dtype", dtype)[0] for each in (rounded, arrays))
        assert {str(each.dtype) for each in one.values()} == {f"torch.{dtype}"}
        assert max((one[key] - other[key]).abs().max() for key in one) <= bar


WRONG = {
    "lacks": ("several", {"x_flat": X}, "no x_steps: expected x_flat, x_steps, .* found x_flat"),
    "of_validation": ("one", FILES["one"] | {"y_val": Y}, "no x_val: expected"),
    "both": (
        "several",
        FILES["several"] | {"weight": W},
        "weight, for all .*: expected one of them",
    ),
    "classes": ("classes", FILES["classes"] | {"weight": W}, "Keras takes one of them"),
    "lengths": ("one", FILES["one"] | {"y": Y[1:]}, "x has 40, y has 39, weight has 40: expected"),
    "weights": ("one", FILES["one"] | {"weight": W[1:]}, "weight has 39: expected"),
    "weights_of_steps": ("several", FILES["several"] | {"weight_path": Y[:, :0]}, "weight_path"),
    "one_hot": ("classes", FILES["classes"] | {"y": np.eye(3)[LABELS]}, r"by y.argmax\(-1\)"),
    "too_large": ("classes", FILES["classes"] | {"y": LABELS + 1}, "from 1 to 3: expected 0 to 2"),
    "negative": ("several", FILES["several"] | {"y_kind": LABELS - 1}, "from -1 to 1: expected 0"),
    "values": ("several", FILES["several"] | {"y_path": Y}, r"\(40, 1\): expected \(N, 5, 2\)"),
    "turned": (
        "several",
        FILES["several"] | {"x_image": np.moveaxis(IMAGES, -1, 1)},
        r"x_image has the shape \(40, 2, 4, 4\): expected \(N, 4, 4, 2\); channels go last",
    ),
    "steps_turned": ("sequences", {"x": STEPS.swapaxes(1, 2), "y": Y}, "channels go last"),
    "rank": ("one", FILES["one"] | {"x": IMAGES}, r"\(40, 4, 4, 2\): expected \(N, 4\)"),
    "text": ("one", FILES["one"] | {"y": np.array(["a"] * N)}, "y has the dtype <U1: expected"),
    "nan": ("one", FILES["one"] | {"x": X * np.nan}, "x has NaN .* in 40 of 40 samples"),
    "empty": ("one", {"x": X[:0], "y": Y[:0], "weight": W[:0]}, r"x has the shape \(0, 4\)"),
}


@each_row("kind", ["full", "plain"])
@each_row("case", WRONG)
def test_arrays_that_do_not_fit_are_told_in_one_line(trained, case, kind):
    name, arrays, told = WRONG[case]
    with pytest.raises(SystemExit, match=told) as refused:
        trained(f"{name}_{kind}", arrays)
    assert "\n" not in str(refused.value)
