"""Which files of the user's are in the keys of a program: what it imports, and what it names."""

import hashlib
import sys

import pytest

from parity.programs.halves import HALVES
from parity.programs.program_spec import ProgramSpec
from parity.programs.user_files import user_files
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
OF_KERAS = {
    *("app/__init__.py", "app/keras_model.py", "app/parts.py"),
    *("app/deep/__init__.py", "app/deep/layers.py"),
}


@pytest.fixture
def spec(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text)
    return SPEC.replace(folder=str(tmp_path))


def test_a_half_has_the_files_that_it_imports_from_below_its_folder(spec):
    assert set(user_files(spec, "keras")) == OF_KERAS


def test_the_port_has_its_own_files_what_they_name_and_those_of_keras(spec):
    found = user_files(spec, "torch")
    assert set(found) == {*OF_KERAS, "app/torch_model.py", "app/weights.bin", "helper.py"}
    assert found["app/weights.bin"] == hashlib.sha256(b"1").hexdigest()


@pytest.mark.parametrize(
    ("changes", "more"),
    [
        ({"data": "data.npz"}, {"data.npz"}),
        ({"data": "data/load.py:load"}, {"data/load.py", "data/parts.csv"}),
        ({"keras": "train.py", "arguments": ("--config", "fast.toml")}, {"train.py", "fast.toml"}),
    ],
    ids=["npz", "function", "script"],
)
def test_data_and_script_count(changes, more, spec, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "load.py").write_text("def load(): open('parts.csv')\n")
    for name in ("data.npz", "data/parts.csv", "train.py", "fast.toml"):
        (tmp_path / name).write_text("# some\n")
    found = set(user_files(spec.replace(**changes), "keras"))
    assert found == (more if "keras" in changes else OF_KERAS | more)


def test_a_file_beside_one_of_another_folder_counts_with_its_whole_path(spec, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "net.py").write_text("import beside\n")
    (other / "beside.py").write_text("")
    inner = spec.replace(folder=str(tmp_path / "app"), keras="../other/net.py:build")
    assert set(user_files(inner, "keras")) == {str(other / n) for n in ("net.py", "beside.py")}


@pytest.mark.parametrize(
    ("torch", "files"),
    [
        ("random.py:build", {"random.py", "helper.py", *OF_HELPER}),
        ("random:build", {"random.py", "helper.py", *OF_HELPER}),
        ("types/net.py:build", {"types/__init__.py", "types/net.py", "types/parts.py"}),
        ("types.net:build", {"types/__init__.py", "types/net.py", "types/parts.py"}),
    ],
)
def test_a_file_with_a_name_of_pythons_counts_where_it_is_named(torch, files, spec, tmp_path):
    """Who imports a module of this name gets Python's; a package imports its own relatively."""
    (tmp_path / "random.py").write_text("import types, random, helper\n")
    (tmp_path / "app" / "parts.py").write_text("import random, types\nfrom .deep import layers\n")
    (tmp_path / "types").mkdir()
    (tmp_path / "types" / "__init__.py").write_text("")
    (tmp_path / "types" / "net.py").write_text("from .parts import Block\nimport random\n")
    (tmp_path / "types" / "parts.py").write_text("")
    named = spec.replace(torch=torch)
    assert set(user_files(named, "keras")) == OF_KERAS
    assert set(user_files(named, "torch")) == OF_KERAS | files


def test_a_script_may_import_a_file_with_a_name_of_pythons(spec, tmp_path):
    """Its own folder comes first, as with `python train.py`."""
    (tmp_path / "train.py").write_text("import statistics\n")
    (tmp_path / "statistics.py").write_text("RATE = 0.1\n")
    script = spec.replace(keras="train.py", torch="app.torch_model:build")
    assert set(user_files(script, "keras")) == {"train.py", "statistics.py"}


def test_a_file_that_is_no_python_is_taken_as_it_is(spec, tmp_path):
    (tmp_path / "helper.py").write_text("def (:\n")
    assert "helper.py" in user_files(spec, "torch")


def test_installed_packages_and_this_project_are_not_the_users(spec, tmp_path):
    package = tmp_path / ".venv" / "site-packages" / "lib"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    text = "import lib, json, numpy, torch_impl\nfrom parity import errors\n"
    (tmp_path / "helper.py").write_text(text)
    assert set(user_files(spec, "torch")) == {
        *OF_KERAS, "app/torch_model.py", "app/weights.bin", "helper.py",
    }  # fmt: skip


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
    before = {task.half: task.key for task in planned([spec], PYTHONS)}
    (tmp_path / name).write_text(FILES[name] + "\n# edited\n")
    after = {task.half: task.key for task in planned([spec], PYTHONS)}
    assert [half for half in HALVES if before[half] != after[half]] == halves


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
    before = {task.half: task.key for task in planned([spec], PYTHONS)}
    after = {task.half: task.key for task in planned([spec.replace(**changes)], PYTHONS)}
    assert [half for half in HALVES if before[half] != after[half]] == halves


def test_the_versions_of_both_frameworks_are_in_the_key_of_the_port(spec, monkeypatch):
    from parity.sweeps import task

    before = {each.half: each.key for each in planned([spec], PYTHONS)}
    version = task.version
    monkeypatch.setattr(task, "version", lambda name: "0" if name == "keras" else version(name))
    task.versions.cache_clear()
    try:
        after = {each.half: each.key for each in planned([spec], PYTHONS)}
    finally:
        monkeypatch.undo()
        task.versions.cache_clear()
    assert [half for half in HALVES if before[half] != after[half]] == ["keras", "torch"]
