"""A program of the user's is a pair in a table, and what is wrong with it is told in one line."""

import re
from contextlib import nullcontext

import pytest
from rows import each_row

from parity.errors import InputError
from parity.programs.program_spec import ProgramSpec
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
    assert spec == ProgramSpec(
        program="digits",
        keras="train.py",
        torch="model.py:build",
        arguments=("--fast",),
        epochs=3,
        dtype="float64",
        threads=2,
        folder=str(tmp_path),
    )
    assert (spec.name, spec.is_script) == ("digits", True)


@each_row(
    ("table", "message"),
    [
        ({"x": {"keras": "a:b"}}, ".x: torch=None: expected the name of a factory"),
        ({"x": {"torch": "a:b"}}, ".x: keras=None: expected the name of a factory"),
        ({"x": {"keras": "a:b", "torch": "a:b", "epoch": 3}}, ".x: unknown setting 'epoch'"),
        ({"x": {"keras": "a:b", "torch": "a:b", "epochs": 0}}, ".x: epochs=0: expected an integer"),
        ({"x": 3}, ".x: expected a table, got 3"),
        (3, ": expected a table for each program"),
    ],
)
def test_a_table_that_cannot_be_used_is_told(table, message):
    place = "pyproject.toml: [tool.parity]"
    with pytest.raises(InputError, match=re.escape(f"{place} programs{message}")):
        programs_of(table, place)


@each_row(
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
        *(
            ({"data": data}, "")
            for data in (None, "embedded", "images", "x.npz", "data.py:load", "a.b:load")
        ),
    ],
)
def test_a_file_that_is_not_there_is_told_before_anything_starts(settings, message, tmp_path):
    for name in ("train.py", "data.py", "x.npz"):
        (tmp_path / name).touch()
    (tmp_path / "images").mkdir()
    spec = Program(**{"keras": "train.py", "torch": "a:b", **settings}).spec("x", tmp_path)
    told = pytest.raises(InputError, match=re.escape(message)) if message else nullcontext()
    with told:
        check_files(spec)


def test_a_program_says_in_which_dtype_it_is_checked_and_trained(tmp_path):
    program = Program(keras="a:b", torch="a:b", dtype="float32")
    specs = [program.check_spec(tmp_path), program.spec("x", tmp_path)]
    specs.append(program.spec("x", tmp_path, dtype="float64"))
    assert [spec.dtype for spec in specs] == ["float32", "float32", "float64"]
