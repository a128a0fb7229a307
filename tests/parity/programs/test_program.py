"""A program of the user's is a pair in a table, and what is wrong with it is told in one line."""

import re

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.tool_table import Program, check_files, programs_of, read_tool_table

TABLE = """
[tool.parity.programs.digits]
keras = "train.py"
torch = "model.py:build"
arguments = ["--fast"]
epochs = 3
"""


def test_a_program_becomes_the_spec_of_a_training(tmp_path):
    (tmp_path / "pyproject.toml").write_text(TABLE)
    table = read_tool_table(tmp_path)
    spec = table.programs["digits"].spec("digits", table.folder, threads=2)
    assert (spec.program, spec.name, spec.keras, spec.epochs) == ("digits", "digits", "train.py", 3)
    assert spec.arguments == ("--fast",)
    assert (spec.dtype, spec.threads) == ("float64", 2)
    assert spec.folder == str(tmp_path)
    assert spec.is_script


@each_row(
    ("table", "message"),
    [
        ({"x": {"keras": "a:b"}}, "programs.x: torch=None: expected the name of a factory"),
        ({"x": {"torch": "a:b"}}, "programs.x: keras=None: expected the name of a factory"),
        ({"x": {"keras": "a:b", "torch": "a:b", "epoch": 3}}, "unknown setting 'epoch'"),
        ({"x": {"keras": "a:b", "torch": "a:b", "epochs": 0}}, "epochs=0: expected an integer"),
        ({"x": 3}, "programs.x: expected a table, got 3"),
        (3, "programs: expected a table for each program"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(table, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        programs_of(table, "pyproject.toml: [tool.parity]")
    assert str(caught.value).startswith("pyproject.toml: [tool.parity] programs")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keras": "gone.py"}, "keras gone.py: there is no such file"),
        ({"keras": "gone.py:build"}, "keras gone.py:build: there is no file gone.py"),
        ({"torch": "nothing"}, "torch nothing: expected MODULE:FUNCTION or FILE.py:FUNCTION"),
        ({"data": "gone.npz"}, "data gone.npz: there is no such file"),
        ({"data": "gone.py:load"}, "data gone.py:load: there is no file gone.py"),
        (
            {"keras": "a:b", "arguments": ("1",)},
            "arguments='1' with --keras a:b: expected a script",
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_before_anything_starts(settings, message, tmp_path):
    (tmp_path / "train.py").touch()
    given = {"keras": "train.py", "torch": "a:b", **settings}
    with pytest.raises(InputError, match=re.escape(message)):
        check_files(Program(**given).spec("x", tmp_path))


@pytest.mark.parametrize("data", [None, "embedded", "images", "x.npz", "data.py:load", "a.b:load"])
def test_data_that_may_be_there_pass(data, tmp_path):
    for name in ("train.py", "data.py", "x.npz"):
        (tmp_path / name).touch()
    (tmp_path / "images").mkdir()
    check_files(Program(keras="train.py", torch="a:b", data=data).spec("x", tmp_path))


def test_a_program_says_in_which_dtype_it_is_checked_and_trained(tmp_path):
    program = Program(keras="a:b", torch="a:b", dtype="float32")
    assert program.check_spec(tmp_path).dtype == "float32"
    assert program.spec("x", tmp_path).dtype == "float32"
    assert program.spec("x", tmp_path, dtype="float64").dtype == "float64"
