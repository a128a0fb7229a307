"""Whose a name is: the user's files are found, and none takes the place of another's module."""

import importlib
import os
import pickle
import re
import subprocess
import sys
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
def site(write):
    """Installed packages; one of them is loaded before any file of the user's."""
    folder = write(
        {
            "site-packages/wn_framework.py": "NAME = 'framework'",
            "site-packages/wn_lib.py": "NAME = 'lib'",
            "site-packages/wn_user.py": "def later():\n    import wn_lib\n    return wn_lib.NAME",
            "site-packages/wn_app/__init__.py": "",
            "site-packages/wn_app/model.py": "def build(): return 'installed'",
        }
    )
    sys.path.append(str(folder / "site-packages"))
    importlib.import_module("wn_framework")


@pytest.mark.parametrize("form", ["{0}.py", "{0}", "{0}/model.py", "{0}.model"])
@pytest.mark.parametrize("name", [*STANDARD, *INSTALLED])
def test_a_file_or_package_with_anothers_name_is_loaded_beside_it(name, form, write, site):
    files = {f"own/{name}.py": MODEL.format(name=name)}
    if "model" in form:
        files = {f"own/{name}/__init__.py": "", f"own/{name}/model.py": MODEL.format(name=name)}
    own, reference = write(files | {"own/wn_blocks.py": "SIZE = 7"}) / "own", f"{form}:build"
    assert load_factory("--torch", reference.format(name), own)().size == 7
    build = load_factory("--torch", reference.format(name), own)  # once more
    # The module of that name is still the other one, in the file itself and in every other.
    other = build.__globals__[name]
    assert other is importlib.import_module(name)
    assert not Path(other.__file__).is_relative_to(own)
    # What is loaded has a name by which it is found.
    made = build()
    assert (made.size, type(made).__module__) == (7, f"{name}_" + ".model" * ("model" in form))
    assert pickle.loads(pickle.dumps(made)) == made  # noqa: S301


def test_a_name_that_nobody_else_has_stays(write):
    own = write({"wn_model.py": MODEL.format(name="json"), "wn_blocks.py": "SIZE = 7"})
    build = load_factory("--torch", "wn_model.py:build", own)
    assert type(build()).__module__ == "wn_model"
    assert sys.modules["wn_model"].build is build


TWO = "import wn_blocks\ndef build():\n    import wn_late\n    return wn_blocks.SIZE, wn_late.S"
# What there is, and what a factory returns in the end.
LOADED = {
    "a package with a name of Python's imports its own modules relatively": (
        {
            "own/statistics/__init__.py": "from .deep.parts import SIZE",
            "own/statistics/deep/__init__.py": "",
            "own/statistics/deep/parts.py": "import statistics\nSIZE = statistics.mean([6, 8])",
            "own/statistics/model.py": "from . import SIZE\ndef build(): return SIZE",
        },
        [("statistics/model.py:build", 7), ("statistics.model:build", 7)],
    ),
    "of two folders each has its own files": (
        {
            **{f"own/{name}/model.py": TWO for name in ("keras", "torch")},
            **{"own/keras/wn_blocks.py": "SIZE = 0", "own/torch/wn_blocks.py": "SIZE = 1"},
            **{"own/keras/wn_late.py": "S = 'late 0'", "own/torch/wn_late.py": "S = 'late 1'"},
        },
        [
            ("keras/model.py:build", (0, "late 0")),
            ("torch/model.py:build", (1, "late 1")),
            ("keras/model.py:build", (0, "late 0")),
        ],
    ),
    # Otherwise what was installed some time ago would be checked.
    "the folder of the call counts where the package is installed too": (
        {
            "own/wn_app/__init__.py": "",
            "own/wn_app/model.py": "from wn_app.parts import build",
            "own/wn_app/parts.py": "def build(): return 'edited'",
        },
        [("wn_app.model:build", "edited"), ("wn_app/model.py:build", "edited")],
    ),
    "an installed package that is imported later does not get a file of the user's": (
        {
            "own/model.py": "def build():\n    import wn_user\n    return wn_user.later()",
            "own/wn_lib.py": "NAME = 'own'",
        },
        [("model.py:build", "lib")],
    ),
}


@pytest.mark.parametrize(("files", "expected"), LOADED.values(), ids=LOADED)
def test_a_name_means_the_file_of_its_folder_or_what_others_mean(files, expected, write, site):
    own = write(files) / "own"
    for reference, value in expected:
        assert load_factory("--torch", reference, own)() == value
    assert importlib.import_module("statistics").mean([1, 3]) == 2


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
    end = f"; {own / top}.py is not what this name means, since {owner} has it: rename the file"
    with pytest.raises(InputError, match=f"^--torch model.py: .*{re.escape(end)}$"):
        load_factory("--torch", "model.py:build", own)


@pytest.mark.parametrize(
    ("line", "kind"), [("from statistics import Block", ImportError), ("1 / 0", ZeroDivisionError)]
)
def test_a_file_that_fails_otherwise_raises_its_own_error_and_leaves_no_half_of_a_module(
    line, kind, write
):
    with pytest.raises(kind) as error:
        load_factory("--torch", "wn_model.py:build", write({"wn_model.py": line}))
    assert type(error.value) is kind
    assert "wn_model" not in sys.modules


def test_forgotten_modules_run_anew_whatever_their_name(write):
    model = "import wn_blocks\ndef build(): return wn_blocks.SIZE"
    for size in (1, 22):
        own = write({"random.py": model, "wn_blocks.py": f"SIZE = {size}"})
        forget_modules(own)
        assert load_factory("--torch", "random:build", own)() == size
    assert callable(importlib.import_module("random").random)


def test_folders_that_the_parent_names_are_searched_last(write, site, monkeypatch):
    files = {"a/wn_a.py": "N = 1", "b/wn_a.py": "N = 2", "b/wn_lib.py": ""}
    own = write(files | {"b/wn_b.py": "def build(): return 3"})
    monkeypatch.setenv(user_modules.PATHS, os.pathsep.join([str(own / "a"), str(own / "b")]))
    user_modules.add_paths()
    assert importlib.import_module("wn_a").N == 1
    assert importlib.import_module("wn_lib").NAME == "lib"
    assert load_factory("--torch", "wn_b:build", own / "none")() == 3


@pytest.mark.parametrize("name", ["statistics", "wn_lib"])
def test_while_a_script_waits_its_modules_have_only_names_that_are_free(name, write, site):
    """Its folder is first on the path, as Python puts it, and is so again behind the block."""
    files = {f"own/{name}.py": "NAME = 'own'", "own/wn_blocks.py": "", "own/wn_late.py": ""}
    own = write(files) / "own"
    theirs = sys.modules.pop(name, None)
    sys.path.insert(0, str(own))
    mine, blocks = importlib.import_module(name), importlib.import_module("wn_blocks")
    before = list(sys.path)
    with user_modules.set_aside(own):
        found = importlib.import_module(name)
        assert not Path(found.__file__).is_relative_to(own)
        assert importlib.import_module("wn_blocks") is blocks
        assert importlib.import_module("wn_late")
    assert (importlib.import_module(name), sys.path) == (mine, before)
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
