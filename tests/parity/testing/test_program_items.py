"""`pytest --parity` makes a test of every program of the table, without a test file."""

import subprocess
import sys

import pytest
from pytest_calls import pytest_called

from parity.traces.bundle import pack

pytestmark = pytest.mark.long

TABLE = """
[programs.right]
keras = "models.py:keras_build"
torch = "models.py:torch_build"

[programs.wrong]
keras = "models.py:keras_build"
torch = "models.py:torch_wrong"
"""
MODELS = """
def keras_build():
    import keras
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    return model

def torch_build(rate=0.1):
    import torch
    from torch_impl import Port
    module = torch.nn.Linear(5, 2)
    torch.nn.init.xavier_uniform_(module.weight)
    torch.nn.init.zeros_(module.bias)
    optimizer = torch.optim.SGD(module.parameters(), lr=rate)
    return Port(module, loss=torch.nn.MSELoss(), optimizer=optimizer)

def torch_wrong():
    return torch_build(rate=0.2)
"""


PLUGINS = ("-p", "no:cacheprovider", "-p", "keras_torch_parity")


def project_in(folder):
    """A project of a user's."""
    (folder / "parity.toml").write_text(TABLE)
    (folder / "models.py").write_text(MODELS)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")
    return folder


@pytest.fixture
def pytest_here(tmp_path):
    """Calls pytest in a project of a user's."""
    project_in(tmp_path)
    return lambda *arguments: pytest_called([*PLUGINS, *arguments], tmp_path)


@pytest.fixture(scope="module")
def checked(tmp_path_factory, warm_halves):
    """A project whose programs were checked, with a bundle of both, and what pytest printed."""
    folder = project_in(tmp_path_factory.mktemp("project"))
    _, out, _ = pytest_called([*PLUGINS, "--parity", "-rA", "--parity-out", "kept"], folder)
    half, _ = (folder / "kept").glob("*/keras")
    pack(half, folder / "both.parity")
    return folder, out


def test_every_program_is_an_item_and_only_if_that_is_asked_for(pytest_here):
    code, out, _ = pytest_here("--parity", "--collect-only", "-q")
    assert code == 0, out
    assert out.splitlines()[:2] == ["parity::right", "parity::wrong"]
    code, _, _ = pytest_here("--collect-only", "-q")
    assert code == 5  # no test


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("-k", "wrong"), ["parity::wrong"]),
        (("-k", "not wrong"), ["parity::right"]),
        (("-m", "parity"), ["parity::right", "parity::wrong"]),
        (("-m", "not parity"), []),
    ],
)
def test_k_and_m_choose_among_them(arguments, expected, pytest_here):
    _, out, _ = pytest_here("--parity", "--collect-only", "-q", *arguments)
    assert [line for line in out.splitlines() if "::" in line] == expected


def test_they_stand_beside_the_tests_of_the_project(pytest_here, tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    _, out, _ = pytest_here("--parity", "-q", "-k", "own or no_program")
    assert "1 passed, 2 deselected" in out


def assert_one_passed_and_one_failed(out):
    assert "1 failed, 1 passed" in out, out
    assert "PASSED parity::right" in out
    assert "FAILED parity::wrong" in out
    assert "no parity: " in out
    assert "Traceback" not in out
    assert "assert_parity(" not in out  # no frames


def test_a_program_is_checked_and_a_wrong_one_fails_with_the_report(checked):
    _, out = checked
    assert_one_passed_and_one_failed(out)


def test_workers_of_xdist_check_them_alike(checked):
    """In processes of their own, as all of pytest is here."""
    folder, _ = checked
    arguments = [*PLUGINS, "--parity", "-rA", "-n", "2", "--parity-against", "both.parity"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert_one_passed_and_one_failed(ended.stdout)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"expected [tool.parity.programs] in pyproject.toml or in parity.toml"),
        ("[programs.one]\nkeras = 'models.py:keras_build'\n", "programs.one: torch=None: expected"),
    ],
)
def test_a_table_without_a_right_program_is_wrong_use(table, message, pytest_here, tmp_path):
    (tmp_path / "parity.toml").write_text(table)
    code, _, errors = pytest_here("--parity")
    assert code == 4
    assert message in errors
    assert "Traceback" not in errors
