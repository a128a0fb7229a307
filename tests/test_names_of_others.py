"""A project may have a module `parity` of its own: its tests run as without the plugin.

Every test here is a real run of pytest in a project of a user's, with no plugin but ours.
"""

import os
import subprocess
import sys

import pytest
from paths import ROOT

# Beside the tests, or at the root, as a module or as a package.
PLACES = ["parity.py", "parity/__init__.py", "tests/parity.py", "tests/parity/__init__.py"]
OWN = "def is_even(number):\n    return number % 2 == 0\n"
TEST = """
import pytest
from parity import is_even

@pytest.mark.parametrize("number", [2, 4])
def test_even(number):
    assert is_even(number)
"""
SENTENCE = "rename that module, or keep its folder off sys.path (`pytest` in the place of"


@pytest.fixture
def pytest_in(tmp_path):
    """Writes the files of a project and runs `python -m pytest` in it."""

    def call(files, *arguments):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "keras_torch_parity"]
        ended = subprocess.run(
            [*command, "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            # Ours is found as if it were installed: behind the project.
            env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    return call


@pytest.mark.parametrize("place", PLACES)
def test_the_suite_of_a_project_with_a_parity_of_its_own_passes(place, pytest_in):
    code, output = pytest_in({place: OWN, "tests/test_even.py": TEST})
    assert code == 0, output
    assert "2 passed" in output
    assert SENTENCE not in output


@pytest.mark.parametrize(
    "option", ["--parity-seed=3", "--parity", "--parity-accept=C3", "--parity-out=kept"]
)
def test_an_option_is_refused_in_one_sentence_that_names_the_module(option, pytest_in, tmp_path):
    code, output = pytest_in({"parity.py": OWN, "tests/test_even.py": TEST}, option)
    assert code == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in output.splitlines() if line]
    assert line.startswith(f"ERROR: {option.partition('=')[0]} needs the package parity of keras-")
    assert f"here the name means {tmp_path / 'parity.py'}: {SENTENCE}" in line


@pytest.mark.parametrize(
    ("options", "place"),
    [((), "parity.py"), ((), "tests/parity/__init__.py"), (("--parity-accept=C3",), PLACES[2])],
    ids=["theirs_first", "package", "ours_first"],
)
@pytest.mark.parametrize("where", ["top", "inside"])
def test_an_import_that_finds_the_other_one_is_told_what_to_do(where, options, place, pytest_in):
    """With an option, ours is imported before the tests, and the project's import fails."""
    name = "is_even" if options else "assert_parity"
    line = f"from parity import {name}\n"
    text = f"{line}def test_it(): pass\n" if where == "top" else f"def test_it():\n    {line}"
    code, output = pytest_in({place: OWN, "tests/test_it.py": text}, *options)
    assert code != 0
    assert f"cannot import name '{name}' from 'parity'" in output
    assert output.count(SENTENCE) == 1
    assert f"{place}: rename" in output


def test_the_fixture_fails_in_one_sentence(pytest_in):
    text = "def test_it(parity_check):\n    parity_check()\n"
    code, output = pytest_in({"parity.py": OWN, "test_it.py": text})
    assert code == 1
    assert "parity_check needs the package parity of keras-torch-parity" in output
    assert SENTENCE in output
    assert "Traceback" not in output
    assert "keras_torch_parity.py" not in output  # no frame of the plugin


def test_without_another_one_ours_is_found_and_nothing_is_told(pytest_in):
    text = "from parity import assert_parity\ndef test_it(parity_check):\n    assert_parity\n"
    code, output = pytest_in({"test_it.py": text}, "--parity-seed=3")
    assert code == 0, output
    assert SENTENCE not in output
    text = "from parity import assert_parties\n"  # a slip of the user's
    code, output = pytest_in({"test_it.py": text})
    assert code != 0
    assert SENTENCE not in output


def test_the_plugin_has_the_only_name_that_is_imported_at_every_start(pytest_in):
    text = "import sys\ndef test_it():\n    assert 'parity' not in sys.modules\n"
    code, output = pytest_in({"test_it.py": text})
    assert code == 0, output
