"""Whose a name is: the user's files are found, and none takes the place of another's module."""

import importlib
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from paths import ROOT

from parity.errors import InputError
from parity.programs import user_modules
from parity.programs.factories import forget_modules, load_factory

STANDARD = ["random", "types", "statistics", "colorsys"]  # the last is imported by nobody
INSTALLED = ["wn_framework", "wn_lib"]  # loaded before, and not loaded yet

MODEL = """
    import dataclasses
    import {name}
    from wn_blocks import SIZE

    @dataclasses.dataclass
    class Net:
        size: "int" = SIZE

    def build():
        return Net()
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Writes files of a user's; path and modules are left as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(user_modules, "_folders", [])
    before = dict(sys.modules)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        importlib.invalidate_caches()
        return tmp_path

    yield write
    for name in set(sys.modules) - set(before):
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def site(write):
    """Installed packages; one of them is loaded before any file of the user's."""
    folder = write(
        {
            "site-packages/wn_framework.py": "NAME = 'framework'",
            "site-packages/wn_lib.py": "NAME = 'lib'",
            "site-packages/wn_user.py": "def later():\n    import wn_lib\n    return wn_lib.NAME",
        }
    )
    sys.path.append(str(folder / "site-packages"))
    importlib.import_module("wn_framework")
    return folder / "site-packages"


@pytest.mark.parametrize("form", ["{0}.py", "{0}", "{0}/model.py", "{0}.model"])
@pytest.mark.parametrize("name", [*STANDARD, *INSTALLED])
def test_a_file_or_package_with_anothers_name_is_loaded_beside_it(name, form, write, site):
    text = MODEL.format(name=name)
    is_package = "model" in form
    place = f"own/{name}/model.py" if is_package else f"own/{name}.py"
    own = write({place: text, "own/wn_blocks.py": "SIZE = 7"}) / "own"
    if is_package:
        write({f"own/{name}/__init__.py": ""})
    reference = f"{form.format(name)}:build"
    assert load_factory("--torch", reference, own)().size == 7
    build = load_factory("--torch", reference, own)  # once more
    assert build().size == 7
    # The module of that name is still the other one, in the file itself and in every other.
    other = build.__globals__[name]
    assert other is importlib.import_module(name)
    assert not Path(other.__file__).is_relative_to(own)
    # What is loaded has a name by which it is found.
    expected = f"{name}_.model" if is_package else f"{name}_"
    assert type(build()).__module__ == expected
    assert pickle.loads(pickle.dumps(build())) == build()  # noqa: S301


def test_a_name_that_nobody_else_has_stays(write):
    own = write({"wn_model.py": MODEL.format(name="json"), "wn_blocks.py": "SIZE = 7"})
    build = load_factory("--torch", "wn_model.py:build", own)
    assert type(build()).__module__ == "wn_model"
    assert sys.modules["wn_model"].build is build


def test_a_package_of_that_name_imports_its_own_modules_relatively(write):
    files = {
        "statistics/__init__.py": "from .deep.parts import SIZE",
        "statistics/deep/__init__.py": "",
        "statistics/deep/parts.py": "import statistics\nSIZE = statistics.mean([6, 8])",
        "statistics/model.py": "from . import SIZE\ndef build(): return SIZE",
    }
    own = write(files)
    assert load_factory("--torch", "statistics/model.py:build", own)() == 7
    assert load_factory("--torch", "statistics.model:build", own)() == 7
    assert importlib.import_module("statistics").mean([1, 3]) == 2


def test_an_installed_package_that_is_imported_later_does_not_get_a_file_of_the_users(write, site):
    own = write({"own/model.py": "def build(): return 1", "own/wn_lib.py": "NAME = 'own'"}) / "own"
    load_factory("--torch", "model.py:build", own)
    assert importlib.import_module("wn_user").later() == "lib"


def test_of_two_folders_each_has_its_own_files(write):
    model = (
        "import wn_blocks\ndef build():\n    import wn_late\n    return wn_blocks.SIZE, wn_late.S"
    )
    files = {}
    for number, folder in enumerate(["keras", "torch"]):
        files[f"{folder}/model.py"] = model
        files[f"{folder}/wn_blocks.py"] = f"SIZE = {number}"
        files[f"{folder}/wn_late.py"] = f"S = 'late {number}'"
    own = write(files)
    first = load_factory("--keras", "keras/model.py:build", own)
    assert first() == (0, "late 0")
    second = load_factory("--torch", "torch/model.py:build", own)
    assert second() == (1, "late 1")
    assert load_factory("--keras", "keras/model.py:build", own)() == (0, "late 0")


def test_the_folder_of_the_call_counts_where_the_package_is_installed_too(write, site):
    """Otherwise what was installed some time ago would be checked."""
    files = {
        "site-packages/wn_app/__init__.py": "",
        "site-packages/wn_app/model.py": "def build(): return 'installed'",
        "own/wn_app/__init__.py": "",
        "own/wn_app/model.py": "from wn_app.parts import build",
        "own/wn_app/parts.py": "def build(): return 'edited'",
    }
    own = write(files) / "own"
    assert load_factory("--torch", "wn_app.model:build", own)() == "edited"
    assert load_factory("--torch", "wn_app/model.py:build", own)() == "edited"


@pytest.mark.parametrize(
    ("line", "owner"),
    [
        ("from statistics import Block", "Python"),
        ("import statistics.blocks", "Python"),
        ("from wn_lib import Block", "an installed package"),
        ("from parity import Block", "keras-torch-parity"),
    ],
)
def test_an_import_that_meant_a_file_of_the_users_says_which_and_what_to_do(
    line, owner, write, site
):
    top = line.split()[1].partition(".")[0]
    own = write({"own/model.py": f"{line}\ndef build(): ...", f"own/{top}.py": ""}) / "own"
    with pytest.raises(InputError) as error:
        load_factory("--torch", "model.py:build", own)
    end = f"; {own / top}.py is not what this name means, since {owner} has it: rename the file"
    assert str(error.value).startswith("--torch model.py: ")
    assert str(error.value).endswith(end)


def test_another_failed_import_stays_as_it_is(write):
    own = write({"model.py": "from statistics import Block\ndef build(): ..."})
    with pytest.raises(ImportError, match="cannot import name 'Block'") as error:
        load_factory("--torch", "model.py:build", own)
    assert not isinstance(error.value, InputError)


def test_a_file_that_fails_leaves_no_half_of_a_module(write):
    own = write({"wn_model.py": "1 / 0"})
    with pytest.raises(ZeroDivisionError):
        load_factory("--torch", "wn_model.py:build", own)
    assert "wn_model" not in sys.modules


def test_forgotten_modules_run_anew_whatever_their_name(write):
    own = write({"random.py": "import wn_blocks\ndef build(): return wn_blocks.SIZE"})
    write({"wn_blocks.py": "SIZE = 1"})
    assert load_factory("--torch", "random:build", own)() == 1
    write({"wn_blocks.py": "SIZE = 22"})
    forget_modules(own)
    assert load_factory("--torch", "random:build", own)() == 22
    assert callable(importlib.import_module("random").random)


def test_folders_that_the_parent_names_are_searched_last(write, site, monkeypatch):
    own = write(
        {
            "a/wn_a.py": "N = 1",
            "b/wn_a.py": "N = 2",
            "b/wn_lib.py": "",
            "b/wn_b.py": "def build(): return 3",
        }
    )
    monkeypatch.setenv(user_modules.PATHS, os.pathsep.join([str(own / "a"), str(own / "b")]))
    user_modules.add_paths()
    assert importlib.import_module("wn_a").N == 1
    assert importlib.import_module("wn_lib").NAME == "lib"
    assert load_factory("--torch", "wn_b:build", own / "none")() == 3


@pytest.mark.parametrize("name", ["statistics", "wn_lib"])
def test_while_a_script_waits_its_modules_have_only_names_that_are_free(name, write, site):
    """Its folder is first on the path, as Python puts it, and is so again behind the block."""
    own = write({f"own/{name}.py": "NAME = 'own'", "own/wn_blocks.py": "", "own/wn_late.py": ""})
    own = own / "own"
    theirs = sys.modules.pop(name, None)
    sys.path.insert(0, str(own))
    mine, blocks = importlib.import_module(name), importlib.import_module("wn_blocks")
    before = list(sys.path)
    with user_modules.set_aside(own):
        found = importlib.import_module(name)
        assert not Path(found.__file__).is_relative_to(own)
        assert importlib.import_module("wn_blocks") is blocks
        assert importlib.import_module("wn_late")
    assert importlib.import_module(name) is mine
    assert sys.path == before
    assert theirs is None or theirs.__file__ == found.__file__


SPAWN = """
    import multiprocessing, sys
    from pathlib import Path
    from parity.programs.factories import load_factory

    if __name__ == "__main__":
        found = load_factory("--torch", "wn_model.py:build", Path(sys.argv[1]))()
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(found.twice, [1, 2]))
"""


def test_another_process_finds_a_model_by_its_name(write, tmp_path):
    """As the workers of a DataLoader do where processes are not forked."""
    text = "class Net:\n    def twice(self, n): return 2 * n\ndef build(): return Net()\n"
    own = write({"own/wn_model.py": text, "main.py": SPAWN}) / "own"
    ended = subprocess.run(
        [sys.executable, tmp_path / "main.py", own],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "[2, 4]\n", ended.stderr
