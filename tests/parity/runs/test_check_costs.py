"""What a check of a small pair starts and imports: its time is nearly all of it."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.long

# In the place of seconds, which depend on the machine. What is imported last, at the end of each
# process, is all that was imported.
TELLING = """
import atexit, os, sys

def tell():
    with open(os.path.join({folder!r}, str(os.getpid())), "w") as file:
        file.write("\\n".join(sys.modules))

def leave(code, own=os._exit):
    tell()
    own(code)

atexit.register(tell)
os._exit = leave
"""
KERAS = """
import keras

def build():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3)])
    model.compile("sgd", "mse")
    return model
"""
TORCH = """
from torch import nn
from torch_impl import Port, optim  # torch's own import the compiler at their first step

def build():
    net = nn.Linear(6, 3)
    nn.init.xavier_uniform_(net.weight)
    nn.init.zeros_(net.bias)
    return Port(net, loss=nn.MSELoss(), optimizer=optim.SGD(net.parameters(), learning_rate=0.01))
"""
OURS = ("parity", "keras_impl", "torch_impl")
# Modules of ours in a process: what they were when this was written, and a tenth more.
MOST = {"parent": 340, "keras": 245, "torch": 370}
# Each takes a good part of a second. Keras itself imports some of them.
SLOW = {"torchvision", "torch._dynamo", "matplotlib", "pandas", "PIL", "jinja2", "IPython"}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """The modules of each process of a check."""
    folder = tmp_path_factory.mktemp("check")
    told = folder / "told"
    told.mkdir()
    (folder / "sitecustomize.py").write_text(TELLING.format(folder=str(told)))
    (folder / "keras_side.py").write_text(KERAS)
    (folder / "torch_side.py").write_text(TORCH)
    command = [sys.executable, "-m", "parity", "check", "--keras", "keras_side.py:build"]
    ended = subprocess.run(
        [*command, "--torch", "torch_side.py:build"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return [set(path.read_text().split()) for path in told.iterdir()]


def kind(modules):
    return next((name for name in ("keras", "torch") if name in modules), "parent")


def test_a_check_is_five_processes_each_with_what_it_needs(imported):
    # Each half is a fork of a process that has imported its framework.
    assert sorted(map(kind, imported)) == ["keras", "keras", "parent", "torch", "torch"]
    for modules in imported:
        ours = {name for name in modules if name.partition(".")[0] in OURS}
        assert len(ours) <= MOST[kind(modules)], (kind(modules), len(ours))
        if kind(modules) != "keras":
            assert modules & SLOW == set(), kind(modules)
        assert not {"tensorflow", "torch"} <= modules
