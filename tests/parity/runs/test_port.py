"""`parity port`: the package that is written of a Keras program is checked, and repeats its run."""

import importlib
import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import ported_keras
import pytest
import torch
from safetensors.torch import load_file
from written import as_keras

from parity.errors import InputError
from parity.ports.package import write_port
from parity.programs.check_spec import CheckSpec
from parity.runs import port
from parity.runs.check import check_all
from parity.runs.check_halves import CheckOptions
from parity.runs.port import port_spec
from parity.traces.bundle import unpack
from parity.traces.trace import Trace
from torch_impl.layouts import variables
from torch_impl.weights import match

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("warm_halves")]

SUPPORT = Path(__file__).resolve().parents[2] / "support"
FILES = (
    *("README.md", "__init__.py", "model.py", "reference.parity"),
    *("test_parity.py", "train.py", "weights.safetensors"),
)


def ported(name, folder, keras="ported_keras:{}"):
    spec = CheckSpec(keras=keras.format(name), folder=str(SUPPORT))
    return port_spec(spec, folder / f"port_of_{name}", CheckOptions())


def begun_in(dtype):
    """Keras as it is when a process begins, in a dtype."""
    keras.config.set_floatx(dtype)
    keras.config.set_dtype_policy(dtype)
    keras.backend.clear_session()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ports")


@pytest.fixture(scope="module")
def images(folder):
    return ported("images", folder)


@pytest.fixture(scope="module")
def two_heads(folder):
    return ported("two_heads", folder)


def test_the_weights_of_a_program_are_those_that_it_begins_with(two_heads):
    """The check fills biases of zeros with other numbers, which show more: they are not carried."""
    assert two_heads.result.verdict == "pass"
    written = load_file(two_heads.folder / "weights.safetensors")
    begun_in("float64")
    keras.utils.set_random_seed(CheckSpec().seed)
    for weight in ported_keras.two_heads().model.weights:
        theirs = as_keras(weight, written)
        np.testing.assert_array_equal(theirs, np.asarray(weight).astype("float32"))


@pytest.fixture(scope="module")
def trained(folder):
    """A file with weights that are alike: of one unit, frozen, or not moved yet."""
    L, generator = keras.layers, np.random.default_rng(0)
    begun_in("float32")
    norm = L.Normalization(name="norm")
    norm.adapt(generator.normal(5, 3, (64, 4)).astype("float32"))
    frozen = L.Dense(3, name="frozen", trainable=False)
    layers = [norm, frozen, L.BatchNormalization(name="batch"), L.Dense(1, name="last")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("adam", "mse")
    model.fit(generator.normal(5, 3, (64, 4)), np.ones(64), verbose=0)
    frozen.trainable = False
    model.save(folder / "trained.keras")
    return {"/".join(each.path.split("/")[-2:]): np.asarray(each) for each in model.weights}


@pytest.mark.parametrize("plain", [False, True], ids=["with_parts", "plain"])
def test_the_weights_of_a_file_are_carried_bit_by_bit(trained, folder, plain):
    spec = CheckSpec(keras=str(folder / "trained.keras"), folder=str(folder))
    out = folder / f"trained_{'plain' if plain else 'with_parts'}"
    assert port_spec(spec, out, CheckOptions(), plain=plain).result.verdict == "pass"
    written = load_file(out / "weights.safetensors")
    names = {
        **{f"frozen/{name}": f"frozen.{ours}" for name, ours in OF_DENSE.items()},
        **{f"last/{name}": f"last.{ours}" for name, ours in OF_DENSE.items()},
        **{"batch/gamma": "batch.weight", "batch/beta": "batch.bias"},
        "batch/moving_mean": "batch.running_mean",
        "batch/moving_variance": "batch.running_var",
        **{f"norm/{name}": f"norm.{name}" for name in ("mean", "variance")},
    }
    assert set(names) == {name for name in trained if not name.endswith(("count", "seed"))}
    for theirs, ours in names.items():
        carried = written[ours].numpy().T
        np.testing.assert_array_equal(carried, trained[theirs].reshape(carried.shape), theirs)


OF_DENSE = {"kernel": "weight", "bias": "bias"}


def test_ruff_finds_nothing(images, two_heads, own, plain_images, plain_heads):
    packages = [*(one.folder for one in (images, two_heads, own, plain_images)), plain_heads]
    for arguments in (("check", "--extend-select", "E501,UP,B"), ("format", "--check")):
        command = [sys.executable, "-m", "ruff", *arguments, "--isolated", *map(str, packages)]
        done = subprocess.run(
            command, cwd=packages[0].parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_train_repeats_the_run_of_keras_from_the_seed(images, tmp_path):
    """Three epochs of `fit`: weights are within 1e-12 of Keras's."""
    generator = np.random.default_rng(3)
    data = {
        "x": generator.uniform(size=(50, 12, 12, 1)).astype("float32"),
        "y": generator.integers(0, 10, 50),
        "x_val": generator.uniform(size=(20, 12, 12, 1)).astype("float32"),
        "y_val": generator.integers(0, 10, 20),
    }
    np.savez(tmp_path / "data.npz", **data)
    command = [sys.executable, "-m", "port_of_images.train", str(tmp_path / "data.npz")]
    command += ["--seed", "42", "--epochs", "3", "--batch-size", "16", "--dtype", "float64"]
    command += ["--out", str(tmp_path / "trained.pt")]
    subprocess.run(command, cwd=images.folder.parent, check=True, capture_output=True)

    begun_in("float64")
    keras.utils.set_random_seed(42)
    reference = ported_keras.images()
    reference.model.fit(
        data["x"],
        data["y"],
        batch_size=16,
        epochs=3,
        validation_data=(data["x_val"], data["y_val"]),
        callbacks=list(reference.callbacks),
        verbose=0,
    )
    theirs = {
        w.path: np.asarray(w) for w in reference.model.weights if "seed_generator" not in w.path
    }
    trained = torch.load(tmp_path / "trained.pt", weights_only=True)
    module = _module(images.folder).double()
    module.load_state_dict(trained)
    ours = {v.name: v.to_keras(v.tensors).detach().numpy() for v in variables(module)}
    found = match(list(theirs), list(ours))
    assert len(found) == len(theirs) == len(ours)
    for name, target in found.items():
        assert np.abs(theirs[name] - ours[target]).max() <= 1e-12 * np.abs(theirs[name]).max(), name


def _module(folder):
    spec = importlib.util.spec_from_file_location("small_net", folder / "model.py")
    file = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(file)
    return file.SmallNet()


def test_a_fault_in_the_written_model_fails_its_test(two_heads, tmp_path):
    """The test of the package sees what a person breaks later."""
    broken = tmp_path / two_heads.folder.name
    shutil.copytree(two_heads.folder, broken)
    model = broken / "model.py"
    text = model.read_text(encoding="utf-8")
    assert "torch.tanh(" in text
    model.write_text(text.replace("torch.tanh(", "torch.relu("), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", str(broken / "test_parity.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "forward" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def own(folder):
    """A training script with layers and functions of the user's own, as it is written."""
    return ported("script", folder, keras="ported_script.py")


def test_a_package_with_open_stubs_is_not_finished(own):
    number = own.open[1].removeprefix("model.py, line ").partition(":")[0]
    assert own.result.verdict == "error"
    assert own.result.errors == (
        "the port is not finished: bent is to be written (for layer 'wide'): as Keras computes it "
        f"in ported_keras.py, line {_line('def bent')} (model.py:{number})",
    )
    assert len(own.open) == 5


def test_a_stub_that_is_filled_in_passes_and_a_wrong_one_fails(own, tmp_path, monkeypatch):
    """By the test of the package, which is called here; one is run by pytest above."""
    done = tmp_path / own.folder.name
    shutil.copytree(own.folder, done)
    gated = "self.scale * torch.tanh(x @ self.kernel + self.offset) * torch.{}(x @ self.gate)"
    _fill(done / "model.py", "def function_of_doubled", "x * 2")
    _fill(done / "model.py", "def bent", "torch.tanh(x) * x")
    _fill(done / "model.py", "class Residual", _RESIDUAL)
    _fill(done / "train.py", "def cubic", "((y_true - y_pred).abs() ** 3).mean()")
    text = (done / "model.py").read_text(encoding="utf-8")
    _fill(done / "model.py", "class Gated", gated.format("relu"))
    monkeypatch.syspath_prepend(tmp_path)
    written = runpy.run_path(str(done / "test_parity.py"))["test_the_port_trains_as_keras_does"]
    with pytest.raises(AssertionError, match="forward"):
        written()
    (done / "model.py").write_text(text, encoding="utf-8")
    _fill(done / "model.py", "class Gated", gated.format("sigmoid"))
    written()


_RESIDUAL = "x + self.share * self.back[0](self.drop(F.relu(self.wide(self.norm(x)))))"


def _line(start):
    lines = (SUPPORT / "ported_keras.py").read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def _fill(path, start, expression):
    """Writes the code of the stub that starts so, in the place of its error."""
    text = path.read_text(encoding="utf-8")
    error = re.compile(r"raise NotImplementedError\(.*?\n? *\)\n", re.DOTALL)
    found = error.search(text, text.index(start))
    written = f"{text[: found.start()]}return {expression}\n{text[found.end() :]}"
    path.write_text(written, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((n, "expected the name of a Python package") for n in ("my-port", "class", "1st")),
        *(
            (n, f"--out .*: a package of the name {n} is installed")
            for n in ("torch", "json", "numpy", "parity", "tensorflow")
        ),
    ],
)
def test_the_name_of_no_package_or_of_one_that_is_installed_is_refused_at_once(
    tmp_path, name, message
):
    with pytest.raises(InputError, match=message):
        port_spec(CheckSpec(keras="a:b"), tmp_path / name, CheckOptions())
    assert not (tmp_path / name).exists()


def test_a_folder_with_files_is_refused_at_once(tmp_path):
    (tmp_path / "port_of_mine").mkdir()
    (tmp_path / "port_of_mine" / "mine.txt").touch()
    with pytest.raises(InputError, match="expected an empty folder"):
        port_spec(CheckSpec(keras="a:b"), tmp_path / "port_of_mine", CheckOptions())


# In plain torch: of the same references, so that Keras is not asked again.

OURS = ("torch_impl", "parity", "keras_impl", "keras", "tensorflow")


@pytest.fixture(scope="module")
def plain_images(images, folder):
    """Written and checked by `parity port --plain`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            port, "record_spec", lambda _, path, __: shutil.copy(images.folder / port.BUNDLE, path)
        )
        return port_spec(
            CheckSpec(keras="ported_keras:images", folder=str(SUPPORT)),
            folder / "plain_images",
            CheckOptions(),
            plain=True,
        )


@pytest.fixture(scope="module")
def plain_heads(two_heads, folder):
    """The folder of a package that is written in this process."""
    unpack(two_heads.folder / port.BUNDLE, folder / "trace")
    out = folder / "plain_heads"
    out.mkdir()
    told = write_port(Trace(folder / "trace"), out, plain=True)
    shutil.copy(two_heads.folder / port.BUNDLE, out)
    assert told["differs"] == [
        "what a seed draws: initial weights have Keras's distributions, and other values",
        "the order of samples: torch draws it for each epoch, as Keras does without a seed",
    ]
    return out


def test_a_plain_package_passes_the_check_and_tells_what_cannot_be_keras(plain_images):
    assert plain_images.result.verdict == "pass"
    assert plain_images.left_out == ()
    assert set(plain_images.files) == {*FILES, "data_file.py", "parts.py", "rules.py"}
    assert "'dropout'" in plain_images.differs[-1]


def test_a_plain_package_makes_the_steps_of_fit_where_nothing_of_ours_is(plain_heads, tmp_path):
    """Three epochs from the same weights in one order: within 1e-12 of Keras's weights."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(50, 7))
    y = {"kind": generator.integers(0, 3, 50), "size": generator.normal(size=(50, 1))}
    np.savez(tmp_path / "data.npz", x=x, y_kind=y["kind"], y_size=y["size"])
    code = (
        f"import runpy, sys; sys.modules |= dict.fromkeys({OURS!r}); "  # cannot be imported
        "runpy.run_module('plain_heads.train', run_name='__main__')"
    )
    command = [sys.executable, "-P", "-c", code, str(tmp_path / "data.npz"), "--from-keras"]
    command += ["--no-shuffle", "--epochs", "3", "--batch-size", "16", "--dtype", "float64"]
    command += ["--out", str(tmp_path / "trained.pt")]
    environment = {**os.environ, "PYTHONPATH": str(plain_heads.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    begun_in("float64")
    reference = ported_keras.two_heads()
    begun = load_file(plain_heads / "weights.safetensors")
    for weight in reference.model.weights:
        weight.assign(as_keras(weight, begun))
    history = reference.model.fit(x, y, batch_size=16, epochs=3, shuffle=False, verbose=0).history
    trained = torch.load(tmp_path / "trained.pt", weights_only=True)
    for weight in reference.model.weights:
        theirs, ours = np.asarray(weight), as_keras(weight, trained)
        assert np.abs(theirs - ours).max() <= 1e-12 * np.abs(theirs).max()
        assert np.abs(as_keras(weight, begun) - ours).max() > 1e-3  # it has trained
    losses = [float(word) for word in done.stdout.split()[1:4]]
    assert losses == pytest.approx(history["loss"], rel=1e-5)  # of which six digits are printed


FAULTS = [
    ("rules.py", 'v.sqrt() + group["eps"]', '(v + group["eps"]).sqrt()', "optimizer"),
    ("parts.py", "correction=0", "correction=1", "forward"),
    ("train.py", "xavier_uniform_", "kaiming_uniform_", "init"),
    ("rules.py", "output.argmax(-1) == labels", "output.argmin(-1) == labels", "metrics"),
]


def test_faults_in_what_was_written_plainly_are_seen_and_other_packages_pass(
    plain_images, plain_heads, tmp_path
):
    folders = [plain_heads]
    for number, (file, right, wrong, _) in enumerate(FAULTS):
        broken = tmp_path / str(number) / plain_images.folder.name
        shutil.copytree(plain_images.folder, broken)
        text = (broken / file).read_text(encoding="utf-8")
        assert right in text
        (broken / file).write_text(text.replace(right, wrong), encoding="utf-8")
        folders.append(broken)
    specs = [
        CheckSpec(
            torch=f"{one.name}.test_parity:port",
            against=str(one / port.BUNDLE),
            folder=str(one.parent),
        )
        for one in folders
    ]
    right, *wrong = check_all(specs, CheckOptions())
    assert right.verdict == "pass"
    for (*_, level), result in zip(FAULTS, wrong, strict=True):
        assert (result.verdict, result.divergences[0].level) == ("fail", level)
