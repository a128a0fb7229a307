"""A SavedModel of Keras 2 is written as `.h5` by the interpreter that the user names alone."""

import sys

import pytest

from parity.errors import InputError
from parity.halves.job import ChildOptions
from parity.programs.check_spec import CheckSpec
from parity.runs.check_halves import CheckOptions
from parity.runs.port import read_old_model

# Stands in for an interpreter with Keras 2: `PYTHON -m parity.worker keras save DIRECTORY`.
OLD = """#!{python}
import json, sys
from pathlib import Path
sys.path[:0] = {path!r}
from parity.traces.folder import RunFolder
assert sys.argv[1:5] == ["-m", "parity.worker", "keras", "save"]
directory = Path(sys.argv[5])
spec = json.loads((directory / "spec.json").read_text())
assert (Path(spec["source"]) / "keras_metadata.pb").is_file()
Path(spec["target"]).write_bytes(b"the model")
RunFolder(directory).complete()
"""


@pytest.fixture
def saved(tmp_path):
    """A folder with a SavedModel, and the spec of its port."""
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "keras_metadata.pb").touch()
    (tmp_path / "work").mkdir()
    return CheckSpec(keras="digits", folder=str(tmp_path), described=True)


def options(python):
    return CheckOptions(children=ChildOptions(keras_python=str(python)))


def test_the_named_interpreter_writes_the_file_and_this_one_reads_it(tmp_path, saved):
    python = tmp_path / "old"
    python.write_text(OLD.format(python=sys.executable, path=sys.path))
    python.chmod(0o755)
    spec, given = read_old_model(saved, tmp_path / "work", options(python))
    target = tmp_path / "work" / "digits.h5"
    assert (spec.keras, target.read_bytes()) == (str(target), b"the model")
    assert given.children.keras_python == sys.executable


@pytest.mark.long
def test_keras_3_says_that_it_is_not_the_one(tmp_path, saved):
    python = tmp_path / "other"  # this interpreter, by another name
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with pytest.raises(
        InputError, match=r"digits: a SavedModel of Keras 2, which Keras 3.* cannot"
    ):
        read_old_model(saved, tmp_path / "work", options(python))


def test_what_is_no_executable_is_told(tmp_path, saved):
    with pytest.raises(InputError, match="--keras-python no-such-python: not an executable file"):
        read_old_model(saved, tmp_path / "work", options("no-such-python"))


@pytest.mark.parametrize("keras", ["app.keras_model:build", "model.h5", "other"])
def test_all_else_stays_as_it_is(tmp_path, keras):
    (tmp_path / "other").mkdir()
    spec, given = CheckSpec(keras=keras, folder=str(tmp_path), described=True), options("old")
    assert read_old_model(spec, tmp_path, given) == (spec, given)


def test_without_the_option_nothing_is_loaded(tmp_path, saved):
    assert read_old_model(saved, tmp_path, CheckOptions()) == (saved, CheckOptions())
