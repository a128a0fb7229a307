"""The house: which wing may import which, no import circles, few floors, small files.

The harness knows neither framework, and neither half knows the other.
"""

import ast
import importlib
import os
import re
import subprocess
import sys
from collections import Counter

import pytest
from import_graph import circles, import_graph, longest_chain
from paths import ROOT
from rows import each_row
from sources import files_below, imports

import parity

FRAMEWORKS = {"torch", "torchvision", "keras", "tensorflow"}

PACKAGES = ("torch_impl", "keras_impl", "parity")

# Which packages the files of a folder must not import, also not inside of a function. What the
# children do stands in folders of its own; all else of `parity` runs in the parent.
_KERAS, _TORCH = {"keras", "tensorflow", "keras_impl"}, {"torch", "torchvision", "torch_impl"}
FORBIDDEN = {
    "parity": _KERAS | _TORCH,
    "torch_impl": _KERAS | {"msgspec"},
    "keras_impl": _TORCH | {"msgspec"},
    "parity/halves/keras": _TORCH | {"msgspec"},
    "parity/halves/torch": _KERAS | {"msgspec"},
    "parity/ports": _KERAS | {"msgspec"},
    "parity/conversions": _KERAS | {"msgspec"},
}

# From the ground up: a wing imports only wings that stand before it.
WINGS = (
    *(
        "files",
        "programs",
        "data",
        "traces",
        "weights",
        "halves",
        "behaviour",
        "ladder",
        "divergences",
    ),
    *("runs", "sweeps", "bench", "halves/keras", "halves/torch", "ports", "conversions"),
    *("report", "testing", "cli"),
)
CHILDREN = {"halves/keras", "halves/torch", "ports", "conversions"}  # never in the parent
LIBRARIES = ("torch_impl", "keras_impl")  # the ground under all wings
# Modules of no wing. The first two are the ground that all stand on, the others the doors.
GROUND = {"errors", "stats"}
DOORS = {"__init__", "__main__", "scenarios", "worker"}

MAX_MODULES = 8  # directly in parity/
MAX_CHAIN = 10  # modules of the parent of which each imports the next
MAX_CHAIN_OF_ALL = 25  # of the children and the libraries, too
MAX_LINES = 800  # of one idea, which no file is cut for


def files_of(folder):
    """Those of a folder, without those of folders in it that have rules of their own."""
    inner = [ROOT / each for each in FORBIDDEN if each.startswith(f"{folder}/")]
    found = files_below(ROOT / folder)
    return [path for path in found if not any(path.is_relative_to(each) for each in inner)]


def imported(path):
    """The top-level packages that a file imports, anywhere in it, under `TYPE_CHECKING` too."""
    packages = set()
    for node, _ in imports(path):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays inside of the package.
            packages.add(path.parent.name if node.level else node.module.partition(".")[0])
        else:
            names = [each.value for each in node.args if isinstance(each, ast.Constant)]
            packages |= {name.partition(".")[0] for name in names if isinstance(name, str)}
    return packages


def test_a_file_imports_nothing_from_the_other_side_and_holds_one_idea():
    for package, forbidden in FORBIDDEN.items():
        paths = files_of(package)
        assert len(paths) >= 7  # else this would pass on nothing
        assert {name_of(path): imported(path) & forbidden for path in paths} == {
            name_of(path): set() for path in paths
        }
        lines = {name_of(path): path.read_text("utf-8").count("\n") for path in paths}
        assert {name: number for name, number in lines.items() if number > MAX_LINES} == {}


@each_row(
    ("text", "packages"),
    [
        ("import torch.nn as nn, numpy", {"torch", "numpy"}),
        ("def f():\n    from keras.layers import Dense", {"keras"}),
        (
            "import importlib\nimportlib.import_module('tensorflow.keras')",
            {"importlib", "tensorflow"},
        ),
        ("from . import spec", {"here"}),
    ],
)
def test_imports_of_every_form_are_seen(text, packages, tmp_path):
    path = tmp_path / "here" / "module.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    assert imported(path) == packages


@pytest.fixture(scope="module")
def graph():
    return import_graph(ROOT, *PACKAGES)


def test_the_wings_are_those_that_are_listed_and_few_modules_stand_beside_them():
    folders = {path.parent.name for path in (ROOT / "parity").glob("*/__init__.py")}
    assert folders == {wing for wing in WINGS if "/" not in wing}
    modules = {path.stem for path in (ROOT / "parity").glob("*.py")}
    assert modules == GROUND | DOORS
    assert len(modules) <= MAX_MODULES
    # Importing a wing with the name of a public function would hide the function.
    assert set(WINGS) & set(parity.__all__) == set()


def test_a_wing_imports_only_wings_below_it(graph):
    below = {library: {library} for library in LIBRARIES}
    below |= {w: {*LIBRARIES, *WINGS[: n + 1], None} for n, w in enumerate(WINGS)}
    for module, others in graph.items():
        if (wing := wing_of(module)) is not None:
            assert {wing_of(other) for other in others} <= below[wing], module
    for module in GROUND:
        assert graph[f"parity.{module}"] <= {f"parity.{name}" for name in GROUND}


def test_a_wing_says_its_idea_in_its_first_line_and_imports_nothing(graph):
    for wing in WINGS:
        text = (ROOT / "parity" / wing / "__init__.py").read_text(encoding="utf-8")
        first = ast.get_docstring(ast.parse(text)).splitlines()[0]
        assert first.endswith("."), wing
        assert len(first) > len(wing) + 10
        assert graph[f"parity.{wing.replace('/', '.')}"] == frozenset(), wing


def test_circles_and_chains_are_found(small):
    graph = small(
        {
            "a": "import small.b",
            "b": "import small.c",
            "c": "def f():\n    import small.a",
            "d": "import small.a",
            "wing/__init__": "import small.e\nimport small.wing.f",
            "wing/f": "import small.e",
            "e": "",
        }
    )
    assert circles(graph) == [["small.a", "small.b", "small.c"]]
    rest = {name: others for name, others in graph.items() if name not in circles(graph)[0]}
    rest["small.d"] = frozenset()
    assert longest_chain(rest) == ["small.wing", "small.wing.f", "small.e"]


@each_row(
    ("modules", "unwanted"),
    [
        # `python -m` sets the number of threads first, which is read when a framework starts.
        (
            "parity, parity.programs.run_spec, parity.scenarios, torch_impl, keras_impl, "
            "parity.halves.torch, parity.halves.keras",
            {*FRAMEWORKS, "torch_impl.train", "keras_impl.train"},
        ),
        # What checks files is loaded only to read them: no child needs it.
        (
            "parity, parity.cli.main, parity.worker, parity.runs.child, parity.runs.child, "
            "parity.sweeps.child",
            {*FRAMEWORKS, "msgspec"},
        ),
    ],
)
def test_importing_harness_halves_and_children_loads_no_framework(modules, unwanted):
    loaded = modules_after(f"import {modules}")
    assert set(modules.split(", ")) <= loaded
    assert loaded & unwanted == set()


def test_no_two_test_files_have_the_same_name_and_dir_of_a_half_its_public_ones():
    """pytest imports files by their bare names: of two, it refuses the second."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
    for half in LIBRARIES:
        module = importlib.import_module(half)
        assert dir(module) == sorted(module.__all__)


def name_of(path):
    return path.relative_to(ROOT).as_posix()


# --- wings ---------------------------------------------------------------------------------------


def wing_of(module):
    """The wing or library that a module belongs to, None for the ground and the doors."""
    package, *names = module.split(".")
    if package != "parity":
        return package
    if "/".join(names[:2]) in WINGS:
        return "/".join(names[:2])
    return names[0] if names and names[0] not in GROUND | DOORS else None


def test_no_import_goes_in_a_circle(graph):
    assert circles(graph) == []


def test_the_longest_chain_of_imports_in_the_parent_is_short(graph):
    parent = [name for name in graph if wing_of(name) not in {*LIBRARIES, *CHILDREN}]
    chain = longest_chain({name: graph[name] & set(parent) for name in parent})
    assert len(chain) <= MAX_CHAIN, " > ".join(chain)


def test_the_longest_chain_of_imports_of_all_is_no_longer_than_it_is(graph):
    chain = longest_chain(graph)
    assert len(chain) <= MAX_CHAIN_OF_ALL, " > ".join(chain)


@pytest.fixture
def small(tmp_path):
    """A package of a few files: `write({"a": text})` gives its graph."""

    def write(sources):
        (tmp_path / "small").mkdir()
        (tmp_path / "small" / "__init__.py").write_text("", encoding="utf-8")
        for name, text in sources.items():
            path = tmp_path / "small" / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return import_graph(tmp_path, "small")

    return write


@pytest.mark.parametrize(
    ("text", "is_seen"),
    [
        ("import small.b", True),
        ("from small import b", True),
        ("from small.b import value", True),
        ("from . import b", True),
        ("from .b import value", True),
        ("def f():\n    from small.b import value", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from small.b import T", False),
        ("import other.b", False),
    ],
)
def test_an_import_of_any_form_is_an_edge_but_for_types(small, text, is_seen):
    graph = small({"a": text, "b": ""})
    assert ("small.b" in graph["small.a"]) == is_seen


# --- the page that explains it --------------------------------------------------------------------


PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_drawing_has_every_wing_in_its_order():
    drawn = re.findall(r"^  │ ([\w/]+) ", PAGE, flags=re.M)
    assert tuple(reversed(drawn)) == (*LIBRARIES, *WINGS)


@pytest.mark.parametrize("command", ["run", "check", "port", "convert"])
def test_a_newcomer_reads_at_most_twelve_files_of_a_command(command):
    section = PAGE.partition(f"## From `parity {command}`")[2].partition("\n## ")[0]
    steps = re.findall(r"^(\d+)\. `([\w/]+\.py)`", section, flags=re.M)
    assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
    assert 8 <= len(steps) <= 12
    for _, path in steps:
        assert (ROOT / path).is_file(), path


# --- what is loaded ------------------------------------------------------------------------------


def modules_after(statement):
    """The modules that a new interpreter has loaded after a statement."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return set(result.stdout.split())


def test_the_torch_half_trains_without_loading_keras():
    loaded = modules_after(
        "import torch_impl, parity.halves.torch; torch_impl.fit; parity.halves.torch.run_program"
    )
    assert "torch_impl.train" in loaded
    assert loaded & {"keras", "tensorflow", "keras_impl", "msgspec"} == set()
