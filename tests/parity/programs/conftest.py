"""What the tests of programs share."""

import importlib
import sys
import textwrap

import pytest

from parity.programs import user_modules


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
