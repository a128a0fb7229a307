"""Imports go one way: the harness knows neither framework, and neither half knows the other."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FRAMEWORKS = {"torch", "torchvision", "keras", "tensorflow"}

# Which packages the files of a package must not import, also not inside of a function.
FORBIDDEN = {
    "parity": FRAMEWORKS | {"torch_impl", "keras_impl"},
    "torch_impl": {"keras", "tensorflow", "keras_impl", "msgspec"},
    "keras_impl": {"torch", "torchvision", "torch_impl", "msgspec"},
}

# These are of use in any torch program, which has no spec and no harness.
ON_THEIR_OWN = (
    "philox",
    "native",
    "seeds",
    "layers",
    "layouts",
    "weights",
    "keras_config",
    "initializers",
    "normals",
    "losses",
    "regularizers",
    "penalty",
    "optim",
    "clip",
    "fast",
    "schedule",
    "augment",
)


def files_of(package):
    return sorted((ROOT / package).rglob("*.py"))


def imported(path):
    """The top-level packages that a file imports, anywhere in it, under `TYPE_CHECKING` too."""
    packages = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            packages |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # A relative import stays inside of the package.
            packages.add(path.parent.name if node.level else node.module.partition(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            packages |= {
                argument.value.partition(".")[0]
                for argument in node.args
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            }
    return packages


@pytest.mark.parametrize(
    "path",
    [path for package in FORBIDDEN for path in files_of(package)],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)
def test_a_file_imports_nothing_from_the_other_side(path):
    package = path.relative_to(ROOT).parts[0]
    assert imported(path) & FORBIDDEN[package] == set()


@pytest.mark.parametrize("name", ON_THEIR_OWN)
def test_a_part_of_the_torch_half_stands_on_its_own(name):
    module = ROOT / "torch_impl" / name
    files = sorted(module.glob("*.py")) or [module.with_suffix(".py")]
    for path in files:
        assert "parity" not in imported(path), path.name


def test_every_package_has_files():
    """Otherwise the tests above would pass on nothing."""
    for package in FORBIDDEN:
        assert len(files_of(package)) >= 8


@pytest.mark.parametrize(
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
    ids=["plain", "inside_a_function", "by_name", "relative"],
)
def test_imports_of_every_form_are_seen(text, packages, tmp_path):
    path = tmp_path / "here" / "module.py"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    assert imported(path) == packages


def modules_after(statement):
    """The modules that a new interpreter has loaded after a statement."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    command = [sys.executable, "-c", f"{statement}\nimport sys; print(*sys.modules)"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return set(result.stdout.split())


def test_importing_the_harness_loads_no_framework():
    loaded = modules_after("import parity, parity.programs.run_spec, parity.programs.scenarios")
    assert "parity.programs.scenarios" in loaded
    assert loaded & (FRAMEWORKS | {"torch_impl.train", "keras_impl.train"}) == set()


@pytest.mark.parametrize(
    "names", ["parity, parity.cli", "parity.child, parity.chunk, parity.check_child"]
)
def test_what_checks_files_is_loaded_only_to_read_them(names):
    """No child needs it in the user's environment, and the command line starts without it."""
    assert "msgspec" not in modules_after(f"import {names}")


@pytest.mark.parametrize("half", ["torch_impl", "keras_impl"])
def test_importing_a_half_loads_no_framework_yet(half):
    """`python -m` sets the number of threads first, which is read when a framework starts."""
    loaded = modules_after(f"import {half}")
    assert half in loaded
    assert loaded & FRAMEWORKS == set()


def test_the_torch_half_trains_without_loading_keras():
    loaded = modules_after("import torch_impl; torch_impl.fit; torch_impl.run_probe")
    assert "torch_impl.train" in loaded
    assert loaded & FORBIDDEN["torch_impl"] == set()
