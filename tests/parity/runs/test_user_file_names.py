"""Real children in a folder whose files all have names of others: of Python, Keras and torch."""

import json
import os
import subprocess
import sys

import pytest
from paths import ROOT

KERAS = """
import dataclasses
import random
import statistics
import types

import keras


def build():
    assert random.random and statistics.mean and types.SimpleNamespace and dataclasses.dataclass
    model = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dense(3, activation="tanh"), keras.layers.Dense(2)]
    )
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    return model
"""
TORCH = """
import dataclasses
import pickle
import random
import statistics
import types

import torch
from {blocks} import linear
from torch_impl import Port


@dataclasses.dataclass
class Settings:
    rate: float = 0.1


class Net(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.first, self.second, self.function = linear(5, 3), linear(3, 2), function

    def forward(self, x):
        return self.second(self.function(self.first(x)))


def build(function=torch.tanh):
    assert random.random and statistics.mean and types.SimpleNamespace
    settings = pickle.loads(pickle.dumps(Settings()))
    net = pickle.loads(pickle.dumps(Net(function)))
    optimizer = torch.optim.SGD(net.parameters(), lr=settings.rate)
    return Port(net, loss=torch.nn.MSELoss(), optimizer=optimizer)


def wrong():
    return build(torch.relu)
"""
BLOCKS = """
import torch


def linear(*sizes):
    layer = torch.nn.Linear(*sizes)
    torch.nn.init.xavier_uniform_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    return layer
"""
LINE = TORCH.splitlines().index("        return self.second(self.function(self.first(x)))") + 1

# Reference of the port -> its file.
PORTS = {
    "random.py:build": "random.py",
    "random:build": "random.py",
    "types.py:build": "types.py",
    "torch.py:build": "torch.py",
    "torch:build": "torch.py",
    "statistics.py:build": "statistics.py",
    "inspect/logging.py:build": "inspect/logging.py",
    "inspect.logging:build": "inspect/logging.py",
    "second/model.py:build": "second/model.py",
}
FILES = {
    "blocks.py": BLOCKS,
    "inspect/__init__.py": "",
    "inspect/blocks.py": BLOCKS,
    "second/blocks.py": BLOCKS,
    "keras.py": KERAS,
    "first/model.py": "from blocks import build\n",
    "first/blocks.py": KERAS,
}


def call(folder, *arguments, flags=("-P",)):
    """Calls the command line as the script `parity` does: the folder is not on its path."""
    return subprocess.run(
        [sys.executable, *flags, "-m", "parity", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("names")
    texts = {
        name: TORCH.format(blocks=".blocks" if name.startswith("inspect/") else "blocks")
        for name in PORTS.values()
    }
    for name, text in (FILES | texts).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    lines = []
    for number, port in enumerate([*PORTS, *(p.replace("build", "wrong") for p in PORTS)]):
        keras = "first/model.py:build" if "second" in port else "keras.py:build"
        lines += [f"[programs.p{number}]", f'keras = "{keras}"', f'torch = "{port}"']
    (folder / "parity.toml").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def results(folder):
    """The result of every program, by the reference of the port."""
    # One process for each half: their start takes longer than all checks.
    ended = call(folder, "check", "--json", "all.json", "--quiet", "--workers", "1")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found = json.loads((folder / "all.json").read_text())["results"]
    return {result["spec"]["torch"]: result for result in found}


@pytest.mark.long
@pytest.mark.parametrize("port", PORTS)
def test_a_port_is_checked_whatever_its_file_is_called(port, results):
    assert results[port]["verdict"] == "pass", results[port]["errors"]


@pytest.mark.long
@pytest.mark.parametrize("port", PORTS)
def test_its_fault_is_named_with_file_and_line(port, results):
    result = results[port.replace("build", "wrong")]
    assert result["verdict"] == "fail", result["errors"]
    (found,) = result["divergences"]
    assert found["causes"][0]["id"] == "A16"
    assert f"{os.path.basename(PORTS[port])}:{LINE}" in json.dumps(found["place"]), found["place"]


def test_the_command_line_starts_beside_files_with_such_names(tmp_path):
    """`python -m` puts the folder of the call first on the path; the script `parity` does not."""
    for name in ("random.py", "statistics.py", "click.py", "numpy.py"):
        (tmp_path / name).write_text("raise ImportError('a file of the user')\n")
    ended = call(tmp_path, "list", flags=())
    assert ended.returncode == 0, ended.stderr
    assert "dropout" in ended.stdout
