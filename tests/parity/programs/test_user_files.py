"""Which files of the user's are in the keys of a program: what it imports, and what it names."""

import hashlib
import shutil
import sys

import pytest

from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.user_files import user_files
from parity.sweeps import task
from parity.sweeps.task import planned

FILES = {
    "app/__init__.py": "",
    "app/keras_model.py": "from app import parts\nimport numpy as np\ndef build(): ...\n",
    "app/parts.py": "from .deep.layers import Block\nfrom . import missing\n",
    "app/deep/__init__.py": "",
    "app/deep/layers.py": "class Block: ...\n",
    "app/torch_model.py": "def build():\n    import helper\n    return helper.net('weights.bin')\n",
    "app/weights.bin": "1",
    "helper.py": "import app.deep.layers\n",
    "unused.py": "import app\n",
    "notes.txt": "a note",
}
SPEC = ProgramSpec(program="mine", keras="app.keras_model:build", torch="app/torch_model.py:build")
PYTHONS = dict.fromkeys(HALVES, sys.executable)


OF_HELPER = ("app/__init__.py", "app/deep/__init__.py", "app/deep/layers.py")
OF_PORT = {"app/torch_model.py", "app/weights.bin", "helper.py"}


OF_KERAS = {
    *("app/__init__.py", "app/keras_model.py", "app/parts.py"),
    *("app/deep/__init__.py", "app/deep/layers.py"),
}


@pytest.fixture
def spec(write):
    return SPEC.replace(folder=str(write(FILES)))


def changed_halves(before, after):
    """The halves of which two specs have other keys."""
    keys = [{each.half: each.key for each in planned([spec], PYTHONS)} for spec in (before, after)]
    return [half for half in HALVES if keys[0][half] != keys[1][half]]


def test_a_half_has_the_files_that_it_imports_from_below_its_folder_and_the_port_those_of_keras(
    spec,
):
    assert user_files(spec, "keras").keys() == OF_KERAS
    found = user_files(spec, "torch")
    assert found.keys() == OF_KERAS | OF_PORT
    assert found["app/weights.bin"] == hashlib.sha256(b"1").hexdigest()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": "data.npz"}, OF_KERAS | {"data.npz"}),
        ({"data": "data/load.py:load"}, OF_KERAS | {"data/load.py", "data/parts.csv"}),
        ({"keras": "train.py", "arguments": ("--config", "fast.toml")}, {"train.py", "fast.toml"}),
        # A script may import a file with a name of Python's: its own folder comes first.
        ({"keras": "script.py"}, {"script.py", "statistics.py"}),
    ],
    ids=["npz", "function", "script", "name of Python's"],
)
def test_data_and_script_count(changes, expected, spec, write):
    write({"data/load.py": "def load(): open('parts.csv')\n", "script.py": "import statistics\n"})
    names = ("data.npz", "data/parts.csv", "train.py", "fast.toml", "statistics.py")
    write(dict.fromkeys(names, "# some\n"))
    assert user_files(spec.replace(**changes), "keras").keys() == expected


def test_a_file_beside_one_of_another_folder_counts_with_its_whole_path(spec, write):
    other = write({"other/net.py": "import beside\n", "other/beside.py": ""}) / "other"
    inner = spec.replace(folder=f"{spec.folder}/app", keras="../other/net.py:build")
    assert user_files(inner, "keras").keys() == {f"{other}/net.py", f"{other}/beside.py"}


@pytest.mark.parametrize(
    ("torch", "files"),
    [
        ("random.py:build", {"random.py", "helper.py", *OF_HELPER}),
        ("random:build", {"random.py", "helper.py", *OF_HELPER}),
        ("types/net.py:build", {"types/__init__.py", "types/net.py", "types/parts.py"}),
        ("types.net:build", {"types/__init__.py", "types/net.py", "types/parts.py"}),
    ],
)
def test_a_file_with_a_name_of_pythons_counts_where_it_is_named(torch, files, spec, write):
    """Who imports a module of this name gets Python's; a package imports its own relatively."""
    named = {
        "random.py": "import types, random, helper\n",
        "app/parts.py": "import random, types\nfrom .deep import layers\n",
        "types/__init__.py": "",
        "types/net.py": "from .parts import Block\nimport random\n",
        "types/parts.py": "",
    }
    write(named)
    assert user_files(spec.replace(torch=torch), "keras").keys() == OF_KERAS
    assert user_files(spec.replace(torch=torch), "torch").keys() == OF_KERAS | files


@pytest.mark.parametrize(
    "text",
    [
        "import lib, json, numpy, torch_impl\nfrom parity import errors\n",
        "def (:\n",  # no Python
    ],
)
def test_installed_packages_and_this_project_are_not_the_users(text, spec, write):
    write({".venv/site-packages/lib/__init__.py": "", "helper.py": text})
    assert user_files(spec, "torch").keys() == OF_KERAS | OF_PORT


@pytest.mark.parametrize(
    ("name", "halves"),
    [
        ("app/deep/layers.py", ["keras", "torch"]),  # what the port is fed follows from it
        ("app/torch_model.py", ["torch"]),
        ("app/weights.bin", ["torch"]),
        ("helper.py", ["torch"]),
        ("unused.py", []),
        ("notes.txt", []),
    ],
)
def test_an_edited_file_makes_new_keys_where_it_is_used(name, halves, spec, tmp_path):
    edited = tmp_path / "edited"
    shutil.copytree(spec.folder, edited)
    (edited / name).write_text(FILES[name] + "\n# edited\n")
    assert changed_halves(spec, spec.replace(folder=str(edited))) == halves


@pytest.mark.parametrize(
    ("changes", "halves"),
    [
        ({"seed": 1}, ["keras", "torch"]),
        ({"epochs": 2}, ["keras", "torch"]),
        ({"arguments": ("--fast",)}, ["keras", "torch"]),
        ({"device": "cuda"}, ["keras", "torch"]),
        ({"torch": "app.torch_model:build"}, ["torch"]),
        ({"data": "embedded"}, ["keras", "torch"]),
        ({"program": "renamed"}, []),
        ({"max_feed": 5}, []),
    ],
    ids=str,
)
def test_a_setting_makes_new_keys_where_it_changes_what_is_computed(changes, halves, spec):
    assert changed_halves(spec, spec.replace(**changes)) == halves


def test_the_versions_of_both_frameworks_are_in_the_key_of_the_port(spec, monkeypatch):
    before = planned([spec], PYTHONS)
    version = task.version
    monkeypatch.setattr(task, "version", lambda name: "0" if name == "keras" else version(name))
    task.versions.cache_clear()
    try:
        after = planned([spec], PYTHONS)
    finally:
        monkeypatch.undo()
        task.versions.cache_clear()
    assert not {each.key for each in before} & {each.key for each in after}
