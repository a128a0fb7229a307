"""A folder of libraries: what is found in it, and what is left in it."""

import os
import subprocess
import time
from pathlib import Path
from unittest import mock

import pytest
from covering import one_test

from torch_impl.native import recipe, store

SOURCE = Path("loop.c")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "libraries"
    path.mkdir(mode=0o700)
    return path


def put(folder, content=b"abc", **options):
    """Puts a library, which is built in an empty folder."""

    def build(here):
        assert list(here.iterdir()) == []
        (here / "loop.so").write_bytes(content)
        return here / "loop.so"

    return store.put(folder, SOURCE, "mark", build, **options)


def test_what_was_put_is_found_by_source_and_mark_alone(folder):
    path = put(folder)
    assert path.name == "loop-mark-ba7816bf8f01cfea414140de5dae2223.so"  # SHA-256 of "abc"
    assert path.read_bytes() == b"abc"
    for where, source, mark, found in (
        (folder, SOURCE, "mark", path),
        (folder, SOURCE, "other", None),
        (folder, Path("other.c"), "mark", None),
        (folder / "nowhere", SOURCE, "mark", None),
    ):
        assert store.find(where, source, mark) == found


@one_test
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777], ids=oct)
def test_what_others_can_write_to_is_found_only_where_a_wheel_has_put_it(folder, mode):
    path = put(folder)
    path.chmod(mode)
    assert store.find(folder, SOURCE, "mark") is None
    assert store.find(folder, SOURCE, "mark", is_own=False) == path
    path.chmod(0o700)
    if os.geteuid() == 0:  # only root can give a file away
        os.chown(path, 12345, 12345)
        assert store.find(folder, SOURCE, "mark") is None
        os.chown(path, os.getuid(), os.getgid())


def test_only_a_file_whose_name_has_its_hash_is_opened(folder):
    """No link to one, no pipe, which would wait, and no folder."""
    path = put(folder)
    other = path.rename(path.with_name(f"loop-mark-{'0' * 32}.so"))
    path.with_name("loop-mark-.so").write_bytes(b"abc")
    for make in (lambda: path.symlink_to(other), lambda: os.mkfifo(path, 0o600), path.mkdir):
        path.unlink(missing_ok=True)
        make()
        assert store.find(folder, SOURCE, "mark") is None


def test_a_build_that_fails_leaves_nothing(folder):
    def fails(here):
        (here / "half").write_bytes(b"x" * 1000)
        raise subprocess.CalledProcessError(1, ["cc"])

    with pytest.raises(subprocess.CalledProcessError):
        store.put(folder, SOURCE, "mark", fails)
    assert list(folder.iterdir()) == []


@one_test
@pytest.mark.parametrize(
    ("options", "expected"),
    [({}, ["fsync", "replace", "fsync"]), ({"keep": False}, ["replace"])],
)
def test_file_and_folder_are_synced_before_and_after_the_move(
    folder, options, expected, monkeypatch
):
    calls = mock.Mock(replace=mock.Mock(wraps=os.replace), fsync=mock.Mock(wraps=os.fsync))
    monkeypatch.setattr(os, "replace", calls.replace)
    monkeypatch.setattr(os, "fsync", calls.fsync)
    put(folder, **options)
    assert [name for name, _, _ in calls.mock_calls] == expected


def test_of_two_whole_libraries_both_stay_and_a_damaged_one_goes(folder):
    """Another process may be about to load the first."""
    first, second = put(folder, b"first"), put(folder, b"second")
    assert sorted(folder.iterdir()) == sorted([first, second])
    first.write_bytes(b"fir")
    assert (put(folder, b"second"), list(folder.iterdir())) == (second, [second])


def test_what_a_killed_process_left_goes_after_an_hour(folder):
    old, new = folder / ".building-old", folder / ".building-new"
    for left in (old, new):
        left.mkdir()
        (left / "loop.so").write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    path = put(folder)
    assert sorted(folder.iterdir()) == [new, path]
    assert recipe.digest(path) in path.name
