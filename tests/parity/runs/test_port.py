"""`parity port`: the package that is written of a Keras program is checked, and repeats its run."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import ported_keras
import pytest
import torch

from parity.errors import InputError
from parity.programs.check_spec import CheckSpec
from parity.runs.check_options import CheckOptions
from parity.runs.port import port_spec
from torch_impl.layouts import variables
from torch_impl.weights import match

pytestmark = pytest.mark.long

SUPPORT = Path(__file__).resolve().parents[2] / "support"
FILES = (
    *("README.md", "__init__.py", "model.py", "reference.parity"),
    *("test_parity.py", "train.py", "weights.safetensors"),
)


def ported(name, folder):
    spec = CheckSpec(keras=f"ported_keras:{name}", folder=str(SUPPORT))
    return port_spec(spec, folder / f"port_of_{name}", CheckOptions())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("ports")


@pytest.fixture(scope="module")
def images(folder):
    return ported("images", folder)


@pytest.fixture(scope="module")
def two_heads(folder):
    return ported("two_heads", folder)


def test_the_package_passes_the_check_of_its_reference(images):
    assert (images.result.verdict, images.files, images.left_out) == ("pass", FILES, ())


def test_a_package_of_several_losses_passes_too_and_says_what_it_lacks(two_heads):
    assert two_heads.result.verdict == "pass"
    assert two_heads.left_out == (
        "the callback LambdaCallback: it is code of the program, or changes no number",
    )
    assert "LambdaCallback" in (two_heads.folder / "README.md").read_text(encoding="utf-8")
    source = (two_heads.folder / "train.py").read_text(encoding="utf-8")
    assert "initial_learning_rate=0.1, decay_steps=10, decay_rate=0.9" in source
    assert "losses.Huber(delta=0.5)" in source
    assert 'loss_weights={"kind": 1.0, "size": 0.25}' in source


def test_no_file_imports_keras_or_tensorflow(images, two_heads):
    for one in (images, two_heads):
        for path in one.folder.glob("*.py"):
            for line in path.read_text(encoding="utf-8").splitlines():
                words = line.split()
                if words[:1] in (["import"], ["from"]):
                    assert words[1].partition(".")[0] not in ("keras", "tensorflow")


def test_ruff_finds_nothing(images, two_heads):
    for one in (images, two_heads):
        for arguments in (("check", "--extend-select", "E501,UP,B"), ("format", "--check")):
            command = [sys.executable, "-m", "ruff", *arguments, "--isolated", str(one.folder)]
            done = subprocess.run(
                command, cwd=one.folder.parent, capture_output=True, text=True, check=False
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

    keras.backend.clear_session()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
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
        largest = np.abs(theirs[name]).max()
        assert np.abs(theirs[name] - ours[target]).max() <= 1e-12 * largest, name


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


def test_layers_of_ones_own_are_refused_by_name(folder):
    with pytest.raises(InputError, match="layer 'patches' of class 'Patches'"):
        ported("of_ones_own", folder)


@pytest.mark.parametrize("name", ["my-port", "class", "1st"])
def test_a_folder_that_is_no_package_is_refused_at_once(tmp_path, name):
    with pytest.raises(InputError, match="expected the name of a Python package"):
        port_spec(CheckSpec(keras="a:b"), tmp_path / name, CheckOptions())


def test_a_folder_with_files_is_refused_at_once(tmp_path):
    (tmp_path / "port").mkdir()
    (tmp_path / "port" / "mine.txt").touch()
    with pytest.raises(InputError, match="expected an empty folder"):
        port_spec(CheckSpec(keras="a:b"), tmp_path / "port", CheckOptions())
