"""A folder of libraries: what is found in it, and what is left in it."""

import os
import subprocess
import time

import pytest
from covering import one_test

from torch_impl.native import recipe, store


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "loop.c"
    path.write_text("int a;")
    return path


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "libraries"
    path.mkdir(mode=0o700)
    return path


def writes(content):
    def build(here):
        assert list(here.iterdir()) == []
        path = here / "loop.so"
        path.write_bytes(content)
        return path

    return build


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_put_is_found_by_source_and_mark_alone(folder, source):
    path = store.put(folder, source, "mark", writes(b"abc"))
    assert path.name == "loop-mark-ba7816bf8f01cfea414140de5dae2223.so"  # SHA-256 of "abc"
    assert path.read_bytes() == b"abc"
    assert store.find(folder, source, "mark") == path
    assert store.find(folder, source, "other") is None
    assert store.find(folder, source.with_name("other.c"), "mark") is None
    assert store.find(folder / "nowhere", source, "mark") is None


@one_test
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777], ids=oct)
def test_what_others_can_write_to_is_found_only_where_a_wheel_has_put_it(folder, source, mode):
    path = store.put(folder, source, "mark", writes(b"abc"))
    path.chmod(mode)
    assert store.find(folder, source, "mark") is None
    assert store.find(folder, source, "mark", is_own=False) == path
    if os.geteuid() == 0:  # only root can give a file away
        path.chmod(0o700)
        os.chown(path, 12345, 12345)
        assert store.find(folder, source, "mark") is None
        os.chown(path, os.getuid(), os.getgid())


def test_only_a_file_whose_name_has_its_hash_is_opened(folder, source):
    """No link to one, no pipe, which would wait, and no folder."""
    path = store.put(folder, source, "mark", writes(b"abc"))
    other = path.with_name(f"loop-mark-{'0' * 32}.so")
    path.rename(other)
    path.with_name("loop-mark-.so").write_bytes(b"abc")
    for make in (lambda: path.symlink_to(other), lambda: os.mkfifo(path, 0o600), path.mkdir):
        path.unlink(missing_ok=True)
        make()
        assert store.find(folder, source, "mark") is None


def test_a_build_that_fails_leaves_nothing(folder, source):
    def fails(here):
        (here / "half").write_bytes(b"x" * 1000)
        raise subprocess.CalledProcessError(1, ["cc"])

    with pytest.raises(subprocess.CalledProcessError):
        store.put(folder, source, "mark", fails)
    assert names(folder) == []


def test_file_and_folder_are_synced_before_and_after_the_move(folder, source, monkeypatch):
    done = []
    move, sync = os.replace, os.fsync
    monkeypatch.setattr(os, "replace", lambda *paths: (done.append("move"), move(*paths)))
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("sync"), sync(handle)))
    store.put(folder, source, "mark", writes(b"abc"))
    assert done == ["sync", "move", "sync"]
    done.clear()
    store.put(folder, source, "mark", writes(b"abc"), keep=False)
    assert done == ["move"]


def test_of_two_whole_libraries_both_stay_and_a_damaged_one_goes(folder, source):
    """Another process may be about to load the first."""
    first = store.put(folder, source, "mark", writes(b"first"))
    store.put(folder, source, "mark", writes(b"second"))
    assert len(names(folder)) == 2
    first.write_bytes(b"fir")
    store.put(folder, source, "mark", writes(b"second"))
    assert len(names(folder)) == 1
    assert first.name not in names(folder)


def test_what_a_killed_process_left_goes_after_an_hour(folder, source):
    old, new = folder / ".building-old", folder / ".building-new"
    for left in (old, new):
        left.mkdir()
        (left / "loop.so").write_bytes(b"half")
    os.utime(old, (time.time() - 4000,) * 2)
    path = store.put(folder, source, "mark", writes(b"abc"))
    assert names(folder) == [new.name, path.name]
    assert recipe.digest(path) in path.name
