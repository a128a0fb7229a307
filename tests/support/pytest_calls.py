"""Calls of pytest in this process, as a command line makes them in one of their own."""

import contextlib
import io
import os
import sys
from pathlib import Path

import pytest

# What this process has imported is not rewritten; a new process would say nothing about it.
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")


def pytest_called(arguments, folder):
    """Returns exit code, output and errors of pytest in a folder, whose modules it forgets again.

    Modules of other folders with the names of its files are out of the way meanwhile. It starts its
    children as this process does, which may have them warm (`warm_halves`).
    """
    out, errors, path = io.StringIO(), io.StringIO(), sys.path[:]
    names = {file.stem for file in Path(folder).rglob("*.py")}
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            code = pytest.main([*QUIET, *map(os.fspath, arguments)])
        finally:
            sys.path[:] = path
            _forget(Path(folder).resolve())
            sys.modules |= others
    return int(code), out.getvalue(), errors.getvalue()


def _forget(folder):
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file is not None and folder in Path(file).resolve().parents:
            del sys.modules[name]
