"""benchmarks/speed/against.py: what it compares, and when it fails."""

import argparse
import sys
import zipfile

import pytest
from paths import ROOT

sys.path.append(str(ROOT / "benchmarks" / "speed"))

import against
import turns

from torch_impl.native import store


class Worker:
    """Does each piece of work in a given time."""

    def __init__(self, **seconds):
        self.names, self._seconds = list(seconds), seconds

    def seconds(self, name):
        return self._seconds[name]

    def close(self):
        pass


class About:
    """Tells where its package is."""

    def __init__(self, package):
        self.about = str(package)

    def close(self):
        pass


def test_speeds_are_shares_of_the_second_in_turns_for_what_both_have():
    started = []
    start = {
        "new": lambda: started.append("new") or Worker(a=1.0, b=2.0, c=1.0),
        "old": lambda: started.append("old") or Worker(a=2.0, b=1.0),
    }
    assert turns.speeds(start, 2, 3) == {"a": [2.0] * 6, "b": [0.5] * 6}
    assert started == ["old", "new", "new", "old"]


def test_a_line_has_the_median_and_the_quartiles():
    assert turns.told("pool", [0.9, 1.0, 1.1]) == (
        "pool                   100.0% of the speed (quartiles 90.0% to 110.0%)"
    )


@pytest.fixture
def compared(monkeypatch, capsys):
    """Compares with a state against which this one has given speeds."""
    monkeypatch.setattr(turns, "Worker", lambda package, *_: About(package))

    def compare(old, found):
        monkeypatch.setattr(turns, "speeds", lambda *_: found)
        code = against.main(argparse.Namespace(old=old, rounds=1, turns=3))
        return code, capsys.readouterr().out

    return compare


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "old.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("torch_impl/__init__.py", "")
    return str(path)


def test_a_part_that_is_slower_than_it_was_fails(compared, wheel):
    code, text = compared(wheel, {"masks": [1.0] * 3, "pool": [0.85, 0.89, 1.2]})
    assert code == 1
    assert f"slower than 90% of {wheel}: pool" in text


def test_what_is_as_fast_passes_and_the_processor_is_named(compared, wheel):
    code, text = compared(wheel, {"masks": [1.0] * 3, "pool": [0.85, 0.91, 1.2]})
    assert code == 0
    assert "slower than 90%" in text
    assert text.splitlines()[0].startswith(f"{store.name()}, one thread, 20")
    assert "nothing" in text.splitlines()[-1]


def test_a_commit_is_unpacked(tmp_path):
    if not (ROOT / ".git").exists():
        pytest.skip("no repository")
    folder = against._unpacked("HEAD", tmp_path / "old")
    assert (folder / "torch_impl" / "__init__.py").is_file()


def test_what_is_neither_a_wheel_nor_a_commit_is_told(tmp_path):
    with pytest.raises(SystemExit, match=r"v9\.9\.9 is neither a wheel nor a commit"):
        against._unpacked("v9.9.9", tmp_path)


def test_all_parts_are_there_and_an_older_package_may_lack_some(monkeypatch, capsys):
    def missing():
        raise ImportError("no module named philox")

    parts = {"masks": missing, "Adam": against.PARTS["Adam"]}
    monkeypatch.setattr(against, "PARTS", parts)
    assert list(against.prepared()) == ["Adam"]
    assert "masks is not timed: ImportError" in capsys.readouterr().err
