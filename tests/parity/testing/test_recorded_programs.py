"""A test of a program against a bundle: which one is taken, at which level, and what it finds."""

import shutil
import subprocess
import sys

import pytest
from programs_here import FOLDER
from recorded_runs import archived, entries_of, shared

from parity import assert_parity
from parity.errors import InputError
from parity.ladder.result import Result
from parity.testing.assertion import Settings, assert_program, settings
from parity.traces.bundle_spec import ARRAYS, FACTS

TABLE = """
[programs.small]
keras = "keras_side.py:build"
torch = "torch_side.py:build"
bundle = "run.parity"

[programs.kept]
keras = "keras_side.py:build"
torch = "torch_side.py:not_restored"
bundle = "run.parity"

[programs.checked]
keras = "keras_side.py:build"
torch = "torch_side.py:not_restored"
bundle = "check.parity"

[programs.gone]
keras = "keras_side.py:build"
torch = "torch_side.py:build"
bundle = "gone.parity"

[programs.other]
keras = "other.py:build"
torch = "torch_side.py:build"
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        return shared(tmp_path_factory)[1]


@pytest.fixture
def project(bundle, tmp_path):
    """A project with bundles of its program: one of a run, and one of a check."""
    folder = tmp_path / "mine"
    shutil.copytree(FOLDER, folder)
    (folder / "parity.toml").write_text(TABLE)
    shutil.copy(bundle, folder / "run.parity")
    entries = entries_of(bundle)
    check = archived({name: entries[name] for name in (FACTS, ARRAYS)})
    (folder / "check.parity").write_bytes(check)
    with settings(Settings(root=folder, folder=folder)):
        yield folder


@pytest.fixture
def done(monkeypatch):
    """What would have been trained or checked."""

    def run_all(specs, options):
        done.append(("run", options.against and options.against.path.name, specs))
        return [Result("pass", spec.to_dict(), mode="replayed") for spec in specs]

    def check_all(specs, options):
        done.append(("check", specs[0].against and specs[0].against.rpartition("/")[2], specs))
        return [Result("pass", spec.to_dict(), mode="replayed") for spec in specs]

    done = []
    monkeypatch.setattr("parity.runs.run.run_all", run_all)
    monkeypatch.setattr("parity.runs.check.check_all", check_all)
    return done


TAKEN = [
    (None, {"level": "run", "against": "run.parity"}, ("run", "run.parity")),
    (None, {"against": "run.parity"}, ("check", "run.parity")),
    (None, {"against": "check.parity"}, ("check", "check.parity")),
    (".", {"level": "run"}, ("run", "run.parity")),
]


@pytest.mark.parametrize(("option", "call", "expected"), TAKEN)
def test_a_port_is_compared_with_the_bundle_of_the_call_or_of_the_option(
    option, call, expected, project, done
):
    with settings(Settings(root=project, folder=project, against=option and project / option)):
        assert_parity(program="small", **call)
    ((*taken, (spec,)),) = done
    assert tuple(taken) == expected
    assert (spec.torch, spec.seed, spec.dtype) == ("torch_side.py:build", 42, "float64")
    assert (spec.keras is None) == (expected[0] == "check")


WRONG = {
    "of_a_check": ({"level": "run", "against": "check.parity"}, "it holds a check alone, and no"),
    "missing": ({"level": "run", "against": "no.parity"}, "there is no such bundle"),
    "seed": ({"level": "run", "against": "run.parity", "seeds": [7]}, "seed 42, and seed 7 is"),
    "seeds": ({"level": "run", "against": "run.parity", "seeds": 2}, "a bundle is of one training"),
    "dtype": (
        {"level": "run", "against": "run.parity", "dtype": "float32"},
        "recorded with dtype float64, and dtype float32",
    ),
    "batch_size": (
        {"level": "run", "against": "run.parity", "batch_size": 8},
        "the program's own batch size, and batch size 8 is asked",
    ),
    "seed_of_a_check": ({"against": "run.parity", "seed": 0}, "seed 42, and seed 0 is asked for"),
    "dtype_of_a_check": ({"against": "run.parity", "dtype": "float32"}, "and dtype float32 is"),
    "batch_of_a_check": ({"against": "check.parity", "batch_size": 8}, "and batch size 8 is asked"),
    "sweep": ({"level": "sweep", "against": "run.parity"}, "a sweep has no bundle"),
    "other": ({"program": "other", "level": "run", "against": "run.parity"}, "of keras_side.py:bu"),
    "other_check": ({"program": "other", "against": "check.parity"}, "is of keras_side.py:build"),
}


@pytest.mark.parametrize(("changes", "message"), WRONG.values(), ids=WRONG)
def test_a_bundle_of_something_else_is_an_error_of_the_test(changes, message, project, done):
    with pytest.raises(InputError, match=message):
        assert_parity(**{"program": "small", **changes})
    assert done == []


@pytest.mark.parametrize(
    ("option", "program", "expected"),
    [
        (None, "small", ("run", "run.parity")),
        (None, "checked", ("check", "check.parity")),
        (None, "other", ("check", None)),
        ("run.parity", "checked", ("run", "run.parity")),
        ("check.parity", "small", ("check", "check.parity")),
        (".", "checked", ("run", "checked.parity")),
    ],
)
def test_an_item_takes_the_bundle_of_the_option_or_of_its_program(
    option, program, expected, project, done
):
    """And is of the level that the bundle is of."""
    shutil.copy(project / "run.parity", project / "checked.parity")
    with settings(Settings(root=project, folder=project, against=option and project / option)):
        assert_program(program)
    assert [each[:2] for each in done] == [expected]


def test_a_bundle_of_the_table_that_is_gone_is_told(project, done):
    with pytest.raises(InputError, match=r"gone\.parity: there is no such bundle; write one with"):
        assert_program("gone")


@pytest.mark.long
def test_pytest_trains_ports_against_the_bundles_of_the_table_without_keras(project, tmp_path):
    for name in ("keras", "tensorflow"):
        (project / name).mkdir()
        (project / name / "__init__.py").write_text("raise ImportError('no Keras here')\n")
    (project / "keras_side.py").unlink()
    options = ["-q", "-p", "no:cacheprovider", "-k", "small or kept or checked"]
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "--parity", *options],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert "2 failed, 1 passed" in ended.stdout, ended.stdout
    assert "FAILED parity::kept" in ended.stdout
    assert "FAILED parity::checked" in ended.stdout, "a check sees it, too"
    assert "G16" in ended.stdout
