"""`pytest --parity` makes a test of every program of the table, without a test file."""

import subprocess
import sys

import pytest

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


@pytest.fixture
def pytest_here(tmp_path):
    """Calls pytest in a project of a user's."""
    (tmp_path / "parity.toml").write_text(TABLE)
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --strict-markers\n")

    def call(*arguments):
        plugins = ["-p", "no:cacheprovider", "-p", "keras_torch_parity"]
        command = [sys.executable, "-m", "pytest", *plugins, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )

    return call


def test_every_program_is_an_item_and_only_if_that_is_asked_for(pytest_here):
    ended = pytest_here("--parity", "--collect-only", "-q")
    assert ended.returncode == 0, ended.stdout
    assert ended.stdout.splitlines()[:2] == ["parity::right", "parity::wrong"]
    assert pytest_here("--collect-only", "-q").returncode == 5  # no test


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
    ended = pytest_here("--parity", "--collect-only", "-q", *arguments)
    assert [line for line in ended.stdout.splitlines() if "::" in line] == expected


def test_they_stand_beside_the_tests_of_the_project(pytest_here, tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    ended = pytest_here("--parity", "-q", "-k", "own or no_program")
    assert "1 passed, 2 deselected" in ended.stdout


@pytest.mark.long
@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_program_is_checked_and_a_wrong_one_fails_with_the_report(arguments, pytest_here):
    ended = pytest_here("--parity", "-rA", *arguments)
    assert "1 failed, 1 passed" in ended.stdout, ended.stdout
    assert "PASSED parity::right" in ended.stdout
    assert "FAILED parity::wrong" in ended.stdout
    assert "no parity: " in ended.stdout
    assert "Traceback" not in ended.stdout
    assert "assert_parity(" not in ended.stdout  # no frames


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", r"expected [tool.parity.programs] in pyproject.toml or in parity.toml"),
        ("[programs.one]\nkeras = 'models.py:keras_build'\n", "programs.one: torch=None: expected"),
    ],
)
def test_a_table_without_a_right_program_is_wrong_use(table, message, pytest_here, tmp_path):
    (tmp_path / "parity.toml").write_text(table)
    ended = pytest_here("--parity")
    assert ended.returncode == 4
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
